"""When a key may be used: `nbf` and `exp`, in whole seconds, the end excluded."""

from typing import Any

import pytest

from vestry_signatures.errors import InvalidJwk
from vestry_signatures.validity import ALWAYS, LATEST, Validity, read_validity


@pytest.mark.parametrize(
    ("jwk", "validity"),
    [
        ({"kty": "OKP"}, ALWAYS),
        ({"nbf": 1}, Validity(1, None)),
        ({"exp": LATEST}, Validity(None, LATEST)),
        ({"nbf": 5, "exp": 6}, Validity(5, 6)),
    ],
)
def test_what_is_read(jwk: dict[str, Any], validity: Validity) -> None:
    """Both members may be left out; what was read is written back the same."""
    assert read_validity(jwk) == validity
    assert {"kty": "OKP", **validity.members()} == {"kty": "OKP", **jwk}


@pytest.mark.parametrize("value", [0, -1, 1.0, 1e3, "1", True, None, [], LATEST + 1, 1_770_247_200_000])
@pytest.mark.parametrize("name", ["nbf", "exp"])
def test_what_is_no_second(name: str, value: object) -> None:
    """No fraction, no text, no truth, nothing before 1970 or after 9999, which milliseconds would be."""
    with pytest.raises(InvalidJwk, match=name):
        read_validity({name: value})


@pytest.mark.parametrize("end", [99, 100])
def test_a_time_has_a_length(end: int) -> None:
    """A key that would never count is refused."""
    with pytest.raises(InvalidJwk):
        read_validity({"nbf": 100, "exp": end})


def test_bounds_to_the_second() -> None:
    """It has begun in its first second, and is over in the second of its end."""
    validity = Validity(100, 200)
    assert [validity.is_to_come(now) for now in (99, 100)] == [True, False]
    assert [validity.is_over(now) for now in (199, 200)] == [False, True]
    assert not ALWAYS.is_over(LATEST)
    assert not ALWAYS.is_to_come(0)
