"""Whoever may have signed, as the verifier's documents tell of him: an agent of ours, or a foreign one."""

from typing import Final

from vestry_service.openapi_parts import Json, schema_of, strict, text

_HOST: Final = r"(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?"
_BASE64URL: Final = "^[A-Za-z0-9_-]+$"
URL_OF_SIGNER: Final = rf"^https?://{_HOST}(?:/[!-~]*)?$"
UID_OF_SIGNER: Final = rf"^{_HOST}(?:/[!-~]*)?$"


def _jwk(description: str, **members: Json) -> Json:
    return {**strict({**members, "kid": schema_of("Kid")}), "description": description}


SCHEMAS: Final[dict[str, Json]] = {
    "SignerUid": {
        "anyOf": [schema_of("AgentUid"), text(UID_OF_SIGNER)],
        "description": "`agent-…` for an agent of ours alone; for a foreign one its whole host[:port], with the path "
        "behind it where the keys are not the host's own.",
    },
    "SignerJwk": {
        "anyOf": [
            schema_of("PublicJwk"),
            _jwk(
                "An elliptic curve key (RFC 7518 section 6.2), where ALGORITHMS allows it.",
                kty={"const": "EC"},
                crv={"enum": ["P-256", "P-384"]},
                x=text(_BASE64URL),
                y=text(_BASE64URL),
            ),
            _jwk(
                "An RSA key for rsa-pss-sha512 (RFC 7518 section 6.3), where ALGORITHMS allows it.",
                kty={"const": "RSA"},
                n=text(_BASE64URL),
                e=text(_BASE64URL),
            ),
        ],
        "description": "Agents of ours have Ed25519 keys.",
    },
}

SIGNER: Final[dict[str, Json]] = {
    "uid": schema_of("SignerUid"),
    "kid": schema_of("Kid"),
    "public_jwk": schema_of("SignerJwk"),
    "well_known_url": text(URL_OF_SIGNER, description="Where the agent's keys are."),
}
"""The members that say who signed, and by which key."""
