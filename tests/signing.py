"""Signed requests written by hand, in the form of the released clients: a second opinion on our own signer.

Every part can be replaced by raw text, so that a test can send what no honest client would.
"""

import base64

from vestry_signatures import PrivateKey, Request, private_key

NOW = 1_770_247_200
CREATED = NOW - 11
EXPIRES = CREATED + 300
URL = "http://localhost:3000/whoami"
AGENT = "http://agent-0123456789abcdef01234567.localhost:3000"
NONCE = "pR0qVw2gCk3VdXbW4mOaYf5e6T7uH8iJ9kLzA1sD2fG3hJ4kL5zX6cV7bN8mQ9wE0rT1yU2iO3pA4sD5fG6hJw"


def seeded_key(number: int = 1) -> PrivateKey:
    """An Ed25519 key that is the same in every run."""
    d = base64.urlsafe_b64encode(bytes([number]) * 32).rstrip(b"=").decode()
    return private_key({"kty": "OKP", "crv": "Ed25519", "d": d})


KEY = seeded_key()
KID = KEY.public.kid


def stated(covered: str = '("@authority")', **changes: str | None) -> str:
    """The covered components and parameters as the released clients write them.

    Args:
        covered: the inner list, as raw text.
        changes: raw text of a parameter's value; None leaves the parameter out.
    """
    parameters: dict[str, str | None] = {
        "created": str(CREATED),
        "keyid": f'"{KID}"',
        "alg": '"ed25519"',
        "expires": str(EXPIRES),
        "nonce": f'"{NONCE}"',
        "tag": '"web-bot-auth"',
    }
    parameters |= changes
    return covered + "".join(f";{name}={value}" for name, value in parameters.items() if value is not None)


def headers(
    inputs: dict[str, str], agent: str | None = f'sig1="{AGENT}"', values: dict[str, bytes] | None = None
) -> list[tuple[str, str]]:
    """The three headers for signatures by label; a value that is not given is 64 zero bytes, which proves nothing."""
    values = {label: (values or {}).get(label, bytes(64)) for label in inputs}
    found = [
        ("Signature", ", ".join(f"{label}=:{_base64(value)}:" for label, value in values.items())),
        ("Signature-Input", ", ".join(f"{label}={text}" for label, text in inputs.items())),
    ]
    return found if agent is None else [*found, ("Signature-Agent", agent)]


def signed_headers(base: str, parameters: str | None = None, key: PrivateKey = KEY) -> list[tuple[str, str]]:
    """The three headers of one signature over a base that the test writes out, without its last line."""
    parameters = stated() if parameters is None else parameters
    value = key.sign(f'{base}"@signature-params": {parameters}'.encode())
    return headers({"sig1": parameters}, values={"sig1": value})


def client_request(url: str = URL, method: str = "GET") -> Request:
    """A request as a released client signs it: `@authority` alone, for localhost:3000."""
    return Request.of(method, url, signed_headers('"@authority": localhost:3000\n'))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
