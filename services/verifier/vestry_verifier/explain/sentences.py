"""What usually helps, one sentence for each reason. Where more can be seen `hints` says something better."""

from collections.abc import Mapping
from typing import Final

BY_REASON: Final[Mapping[str, str]] = {
    "MALFORMED_REQUEST": "Ask with the method, the URL and the headers as received, each header name once.",
    "MISSING_HTTP_METHOD": 'Say in "method" which method was received, like GET.',
    "MISSING_URI": 'Say in "url" which absolute URL was called, like https://tool.example/path?query.',
    "INVALID_URI": "Give the absolute URL: http or https, a host of your own, path and query as received.",
    "MISSING_SIGNATURE_INPUT": "The request is not signed, or a proxy took its signature headers away.",
    "MISSING_SIGNATURE": "Signature-Input came without Signature: pass both on, for neither means anything alone.",
    "MALFORMED_SIGNATURE": "Compare the signature headers with RFC 9421 section 4, at the place that is named.",
    "MISSING_SIGNATURE_AGENT": "The signer must send Signature-Agent with its agent URL, and it must be passed on.",
    "INVALID_SIGNATURE_AGENT": 'Write it as sig1="https://agent-….host", with the label of the signature.',
    "UNTRUSTED_SIGNATURE_AGENT": "Only agents of this registrar and hosts that the operator admits are believed.",
    "MISSING_NONCE": "Add a nonce, a new one for every request, or cover Signature-Agent where that suffices.",
    "WRONG_TAG": 'Sign with the parameter tag="web-bot-auth"; signatures with other tags are left alone.',
    "UNSUPPORTED_ALG": 'Sign with Ed25519, and state alg="ed25519" or no algorithm at all.',
    "INSUFFICIENT_COVERAGE": "Cover what is named: a signature says nothing about what it does not cover.",
    "WRONG_AUTHORITY": "The tool asks about a host that is not among its own: see its authorities in the tools file.",
    "EXPIRED_SIGNATURE": "Sign right before sending, and never keep signed headers for later.",
    "NOT_YET_VALID": "Set the signer's clock: created lies in the future.",
    "LIFETIME_TOO_LONG": "Let the signature expire sooner after it is created.",
    "INVALID_SIGNATURE": "Compare the signature base shown here with the one that was signed, line by line.",
    "CONTENT_DIGEST_MISMATCH": "The body is another one than was signed: send the very bytes that came.",
    "REPLAYED_NONCE": "Every request must be signed anew, and only one place on its way may ask /verify about it.",
    "REVOKED_KEY": "Sign with a key that is in use: this one was taken out of it.",
    "SUSPENDED_AGENT": "An operator has suspended this agent; only an operator can resume it.",
    "PENDING_AGENT": "An operator has to approve this agent first.",
    "AGENT_NOT_ALLOWED": "The tool's lists in the tools file say who may call it.",
    "UNKNOWN_KEY": "Register the key, or sign with one that this very agent has: the directory lists them.",
    "RATE_LIMITED": "Wait, or let the operator raise the tool's rate.",
    "DIRECTORY_UNREACHABLE": "See whether the verifier reaches the registrar (REGISTRAR_URL), then sign anew.",
    "REPLAY_STORE_UNAVAILABLE": "See whether Redis answers and the registrar runs, then sign anew.",
    "DATABASE_UNAVAILABLE": "See whether Postgres answers, then sign anew.",
}

OF_REPLICAS: Final = (
    "Fewer replicas than NONCE_REPLICAS hold what is written: connect more, or lower it, then sign anew."
)

BY_FETCH: Final[Mapping[str, str]] = {
    "no_such_host": "Its name does not resolve here.",
    "address_refused": "It has an address that is not public: FETCH_ALLOW_PRIVATE can name its network.",
    "unreachable": "No connection to it could be made: see whether the verifier is let out to its port.",
    "timeout": "It did not answer whole within two seconds.",
    "tls": "Its certificate is not for this name, or not by an authority that is trusted here.",
    "gone": "It answered with another status than 200: that there is no directory there (404 or 410).",
    "status": "It answered with another status than 200; redirects are not followed.",
    "coded": "It sent its directory compressed, although that was not asked for.",
    "too_large": "Its directory is longer than 64 KiB.",
    "malformed": "What it sent is no directory: see its media type, and that it is a JWK Set of at most 32 keys.",
    "busy": "It was not asked, for too many other hosts are being asked; it can be in a moment.",
    "too_many_paths": "Too many new paths of this host were asked for in the last minute.",
}
"""Why the directory of a foreign agent could not be fetched, by the result that the metrics count."""
