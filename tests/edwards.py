"""Ed25519 from its definition (RFC 8032 section 5.1): slow, and able to make the signatures that no library makes."""

import hashlib
from typing import TypeAlias

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, P) % P

Point: TypeAlias = tuple[int, int]
NEUTRAL: Point = (0, 1)


def decode(encoding: bytes) -> Point | None:
    """The point of 32 bytes, non-canonical ones included; None where there is none."""
    number = int.from_bytes(encoding, "little")
    y, sign = number % 2**255 % P, number >> 255
    square = (y * y - 1) * pow(_D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        return None
    return (x if x % 2 == sign else -x % P, y)


def encode(point: Point) -> bytes:
    """The canonical 32 bytes of a point."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def add(a: Point, b: Point) -> Point:
    """The sum of two points."""
    product = _D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + product, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P)
    return (x % P, y % P)


def multiply(number: int, point: Point) -> Point:
    """A multiple of a point."""
    result = NEUTRAL
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


_base = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
assert _base is not None
BASE: Point = _base


def _generator_of_torsion() -> Point:
    """A point of order 8: L times a random point, until four times that is not neutral."""
    y = 2
    while True:
        point = decode(y.to_bytes(32, "little"))
        found = NEUTRAL if point is None else multiply(L, point)
        if multiply(4, found) != NEUTRAL:
            return found
        y += 1


TORSION: list[Point] = [multiply(number, _generator_of_torsion()) for number in range(8)]
"""The eight points of small order; the index times the generator."""


def challenge(r: bytes, a: bytes, message: bytes) -> int:
    """The hash that a signature answers, modulo L."""
    return int.from_bytes(hashlib.sha512(r + a + message).digest(), "little") % L


def spellings(point: Point) -> list[bytes]:
    """Every 32 bytes that decode to a point: the canonical ones, with y + p, and x = 0 with either sign."""
    signs = (0, 1) if point[0] == 0 else (point[0] & 1,)
    ys = [y for y in (point[1], point[1] + P) if y < 2**255]
    return [(y | sign << 255).to_bytes(32, "little") for y in ys for sign in signs]
