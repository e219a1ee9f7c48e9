"""Which 32 bytes may be an Ed25519 public key, and which may be the R of a signature (RFC 8032 section 5.1).

Eight points of the curve have small order. With one of them as public key a fixed signature verifies many messages,
with the identity every message; with one of them as R a signature says less than it seems to. libsodium refuses
both, the `cryptography` package does not, so the check stands here and holds for either. A y coordinate of p or more
is a second spelling of another point: it would give one key two thumbprints.

The test of being on the curve is Euler's criterion: x^2 = (y^2 - 1) / (d y^2 + 1) has a root exactly where the
product of both sides of the fraction is a square modulo p.
"""

from typing import Final

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_Y_BITS: Final = 2**255 - 1
_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y: Final = frozenset({0, 1, _P - 1, _ORDER_8, _P - _ORDER_8})
_SMALL_ORDER: Final = frozenset(
    (each | sign << 255).to_bytes(32, "little")
    for y in _SMALL_ORDER_Y
    for each in (y, y + _P)
    for sign in (0, 1)
    if each <= _Y_BITS
)
"""Every spelling of the eight points, canonical or not: asking for one of these at every signature costs nothing."""


def _y(encoding: bytes) -> int:
    return int.from_bytes(encoding, "little") & _Y_BITS


def is_canonical(encoding: bytes) -> bool:
    """Tell whether the y coordinate of 32 encoded bytes is below p (RFC 8032 section 5.1.3, step 1)."""
    return _y(encoding) < _P


def has_small_order(encoding: bytes) -> bool:
    """Tell whether 32 bytes encode, in any spelling, a point whose order divides 8."""
    return encoding in _SMALL_ORDER


def is_on_curve(encoding: bytes) -> bool:
    """Tell whether 32 bytes decode to a point (RFC 8032 section 5.1.3)."""
    square = pow(_y(encoding), 2, _P)
    return pow((square - 1) * (_D * square + 1), (_P - 1) // 2, _P) in (0, 1)
