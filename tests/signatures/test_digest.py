"""A covered Content-Digest is compared with the body, and the answer always says how far that went."""

import base64
import hashlib

import pytest

from vestry_signatures import Request, fields
from vestry_signatures.digest import check_content_digest
from vestry_signatures.errors import ContentDigestMismatch
from vestry_signatures.signature import read_components

BODY = b'{"hello": "world"}'


def digest(name: str = "sha-256", body: bytes = BODY) -> str:
    """One member of Content-Digest; for any other algorithm than sha-512 the sha-256 of the body."""
    value = (hashlib.sha512 if name == "sha-512" else hashlib.sha256)(body).digest()
    return f"{name}=:{base64.b64encode(value).decode()}:"


def check(
    header: str | list[str] | None,
    covered: str = '("content-digest")',
    body: bytes | None = BODY,
    asserted: bool = False,
) -> str:
    """The verdict on a header, or the reason."""
    lines = header if isinstance(header, list) else [] if header is None else [header]
    request = Request.of("POST", "https://a.example/", [("Content-Digest", line) for line in lines])
    items, _ = fields.parse_dictionary(f"a={covered}")["a"]
    try:
        return check_content_digest(request, read_components(items), body, asserted=asserted)
    except ContentDigestMismatch as error:
        return error.reason


RFC_9530 = {
    # RFC 9421 appendix B.2 prints this digest of that body
    "sha-512": "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
    # RFC 9530 appendix D prints this one of the same body with a line break behind it
    "sha-256": "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
}


def test_printed_digests() -> None:
    """The digests that the standards print are the ones that are computed."""
    assert check(RFC_9530["sha-512"]) == "checked"
    assert check(RFC_9530["sha-256"], body=BODY + b"\n") == "checked"


SHA256, SHA512 = digest(), digest("sha-512")
WRONG256, WRONG512 = digest(body=b"other"), digest("sha-512", b"other")
UNPADDED = SHA256.removesuffix("=:") + ":"  # padding may be left out (RFC 9651 section 4.2.7)
MISMATCH = "CONTENT_DIGEST_MISMATCH"


@pytest.mark.parametrize(
    ("header", "covered", "verdict"),
    [
        (SHA256, '("content-digest")', "checked"),
        (SHA512, '("content-digest")', "checked"),
        (f"{SHA256}, {SHA512}", '("content-digest")', "checked"),
        ([SHA256, SHA512], '("content-digest")', "checked"),
        (f"{SHA256}, md5=:YQ==:", '("content-digest")', "checked"),
        (SHA256, '("content-digest";sf)', "checked"),
        (SHA256, '("content-digest";bs)', "checked"),
        (SHA256, '("content-digest";key="sha-256")', "checked"),
        (f"{SHA256}, md5=:YQ==:", '("content-digest";key="md5" "content-digest";key="sha-256")', "checked"),
        (f"{SHA256}, {SHA512}", '("content-digest";key="sha-512")', "checked"),
        (f"{SHA256};a=1", '("content-digest")', "checked"),
        (WRONG256, '("content-digest")', MISMATCH),
        (WRONG512, '("content-digest")', MISMATCH),
        (f"{SHA256}, {WRONG512}", '("content-digest")', MISMATCH),
        (f"{WRONG256}, {SHA512}", '("content-digest")', MISMATCH),
        (f"{SHA256}, {WRONG512}", '("content-digest";key="sha-256")', MISMATCH),
        (f"{SHA256}, md5=:YQ==:", '("content-digest";key="md5")', MISMATCH),
        (SHA256, '("content-digest";key="sha-512")', MISMATCH),
        (digest("md5"), '("content-digest")', MISMATCH),
        (digest("sha"), '("content-digest")', MISMATCH),
        (digest("sha-384"), '("content-digest")', MISMATCH),
        (f"{SHA256}, {SHA256}", '("content-digest")', MISMATCH),
        ([WRONG256, SHA256], '("content-digest")', MISMATCH),
        ([SHA256, WRONG256], '("content-digest")', MISMATCH),
        ("", '("content-digest")', MISMATCH),
        (None, '("content-digest")', MISMATCH),
        ("sha-256", '("content-digest")', MISMATCH),
        ('sha-256="text"', '("content-digest")', MISMATCH),
        ("sha-256=::", '("content-digest")', MISMATCH),
        (f"sha-256=({SHA256.partition('=')[2]})", '("content-digest")', MISMATCH),
        (UNPADDED, '("content-digest")', "checked"),
        (SHA256.replace("sha-256", "sha-512"), '("content-digest")', MISMATCH),
        (SHA256.replace("sha-256", "SHA-256"), '("content-digest")', MISMATCH),
        ("not a digest", '("content-digest")', MISMATCH),
        ("é", '("content-digest")', MISMATCH),
        (WRONG256, '("@authority" "content-type")', "none"),
        (SHA256, "()", "none"),
        (WRONG256, '("repr-digest")', "none"),
    ],
)
def test_with_a_body(header: str | list[str] | None, covered: str, verdict: str) -> None:
    """All digests of the two good algorithms must match, and one of them must be covered."""
    assert check(header, covered) == verdict


@pytest.mark.parametrize("header", [SHA256, WRONG256, digest("md5"), "not a digest", None])
def test_without_a_body(header: str | None) -> None:
    """Where the body is not known the answer says who is to be believed: the caller, or nobody."""
    assert check(header, body=None) == "unchecked"
    assert check(header, body=None, asserted=True) == "asserted"


def test_a_known_body_is_compared_whatever_is_asserted() -> None:
    """An assertion replaces no comparison that can be made; and without coverage there is nothing to assert."""
    assert check(WRONG256, asserted=True) == MISMATCH
    assert check(SHA256, asserted=True) == "checked"
    assert check(SHA256, "()", asserted=True) == "none"
    assert check(SHA256, "()", body=None, asserted=True) == "none"


def test_an_empty_body_is_a_body() -> None:
    """No bytes are known bytes: their digest is compared."""
    assert check(digest(body=b""), body=b"") == "checked"
    assert check(SHA256, body=b"") == MISMATCH
