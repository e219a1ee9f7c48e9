"""The signature core on the common form, against nothing but the Ed25519 check that it contains.

Core: from header lines to a proof (parse, profile, time, signature base, check), the key being at hand as it is in a
verifier that has seen the agent before. Raw: the same library checking the same signature over the same bytes.
"""

import base64
import time
from collections.abc import Callable

from bench.report import Comparison, Slice, compare
from vestry_signatures import Policy, PrivateKey, Proof, PublicKey, Request, generate, sign, verify
from vestry_signatures.algorithms import (
    HAVE_LIBSODIUM,
    Checker,
    ed25519_by_cryptography,
    ed25519_by_libsodium,
)

URL = "https://tool.example/things"
AGENT = "https://agent-0123456789abcdef01234567.vestry.example"


def compare_core(rounds: int, seconds: float) -> list[Comparison]:
    """Compare with each Ed25519 library that is installed, in both profiles."""
    libraries: list[tuple[str, Callable[[bytes], Checker], float | None]] = [
        ("cryptography", ed25519_by_cryptography, 0.8)
    ]
    if HAVE_LIBSODIUM:
        libraries.append(("libsodium", ed25519_by_libsodium, None))
    return [
        _compare(name, checker, profile, goal, rounds, seconds)
        for name, checker, goal in libraries
        for profile in ("vestauth", "web-bot-auth")
    ]


def _compare(
    library: str,
    checker: Callable[[bytes], Checker],
    profile: str,
    goal: float | None,
    rounds: int,
    seconds: float,
) -> Comparison:
    private = generate()
    key = _bind(private, checker)
    headers = _headers(private, profile)
    policy, now = Policy(), int(time.time())

    def core() -> Proof:
        return verify(Request("GET", URL, headers), lambda _agent, _kid: key, policy, now)[0]

    proof = core()
    value, base, check = proof.claim.signature.value, proof.base, key.check
    return compare(
        (f"signature core, {profile}, {library}", repeated(core, seconds)),
        (f"raw Ed25519 check, {library}", repeated(lambda: check(value, base), seconds)),
        rounds,
        goal,
    )


def _bind(private: PrivateKey, checker: Callable[[bytes], Checker]) -> PublicKey:
    """The public half, bound to one library."""
    jwk = {name: value for name, value in private.public.jwk.items() if name != "kid"}
    return PublicKey(jwk, "ed25519", checker(base64.urlsafe_b64decode(jwk["x"] + "=")))


def _headers(private: PrivateKey, profile: str) -> dict[str, list[str]]:
    components = ["@authority"] if profile == "vestauth" else None
    signed = sign(
        Request.of("GET", URL, []),
        private,
        created=int(time.time()),
        lifetime=3600,
        agent_url=AGENT,
        components=components,
    )
    return {name.lower(): [value] for name, value in signed.items()}


def repeated(act: Callable[[], object], seconds: float) -> Slice:
    """A slice that does something over and over, by the second of this process's own time on a core."""

    def measure() -> float:
        began, done = time.process_time(), 0
        while (spent := time.process_time() - began) < seconds:
            for _ in range(20):
                act()
            done += 20
        return done / spent

    return measure
