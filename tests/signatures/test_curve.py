"""Which encodings are refused: compared with the definition of the curve."""

import os

import pytest

import edwards
from vestry_signatures import curve


def test_small_order_in_every_spelling() -> None:
    """All eight points of small order are known, in the fourteen ways in which 32 bytes can spell them."""
    found = [spelling for point in edwards.TORSION for spelling in edwards.spellings(point)]
    assert len(set(edwards.TORSION)) == 8
    assert len(set(found)) == 14
    assert all(curve.has_small_order(spelling) for spelling in found)
    assert all(edwards.multiply(8, point) == edwards.NEUTRAL for point in edwards.TORSION)


def test_other_points_have_no_small_order() -> None:
    """Points of the main subgroup, and those mixed of both, are not mistaken for small ones."""
    for number in (1, 2, 3, edwards.L - 1):
        point = edwards.multiply(number, edwards.BASE)
        assert not any(curve.has_small_order(edwards.encode(edwards.add(point, t))) for t in edwards.TORSION)


@pytest.mark.parametrize("sign", [0, 2**255])
def test_canonical_means_below_p(sign: int) -> None:
    """The nineteen values from p to 2^255 are a second spelling of another point, with either sign."""
    assert curve.is_canonical((edwards.P - 1 + sign).to_bytes(32, "little"))
    assert curve.is_canonical(sign.to_bytes(32, "little"))
    for y in range(edwards.P, 2**255):
        assert not curve.is_canonical((y + sign).to_bytes(32, "little"))


def test_on_the_curve_by_another_way() -> None:
    """Euler's criterion says the same as taking the root, for small, large and arbitrary values of y."""
    ys = [
        *range(40),
        *range(edwards.P - 20, 2**255),
        *(int.from_bytes(os.urandom(32), "big") for _ in range(40)),
    ]
    encodings = [(y % 2**256).to_bytes(32, "little") for y in ys]
    verdicts = [curve.is_on_curve(encoding) for encoding in encodings]
    assert verdicts == [edwards.decode(encoding) is not None for encoding in encodings]
    assert {True, False} == set(verdicts)
