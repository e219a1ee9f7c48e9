"""The signature core on the common form, against nothing but the Ed25519 check that it contains, and against others.

Core: from header lines to a proof (parse, profile, time, signature base, check), the key being at hand as it is in a
verifier that has seen the agent before. Raw: the same library checking the same signature over the same bytes. The
others are released libraries that verify the same request, given the same key: npm `web-bot-auth` and `vestauth` on
Node (libraries.cjs), PyPI `http-message-signatures` on the same Python. Everything runs on the core where servers do,
and is counted by the second of its own time on it.
"""

import base64
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from bench.figures import Slice
from bench.ground import Ground
from bench.libraries import http_message_signatures, node_library
from bench.repeated import repeated
from bench.report import Comparison, compare
from vestry_signatures import Policy, PrivateKey, Proof, PublicKey, Request, generate, sign, verify
from vestry_signatures.algorithms import (
    HAVE_LIBSODIUM,
    Checker,
    ed25519_by_cryptography,
    ed25519_by_libsodium,
    ed25519_checker,
)

URL: Final = "https://tool.example/things"
AGENT: Final = "https://agent-0123456789abcdef01234567.vestry.example"
Library = Callable[[bytes], Checker]


def core(ground: Ground) -> list[Comparison]:
    """Compare with each Ed25519 library that is installed, in both profiles, and with other implementations."""
    seconds, rounds = ground.seconds / 5, 2 * ground.rounds
    libraries: list[tuple[str, Library]] = [("cryptography", ed25519_by_cryptography)]
    if HAVE_LIBSODIUM:
        libraries.insert(0, ("libsodium", ed25519_by_libsodium))
    found = [
        compare(
            (f"signature core, {profile}, {name}", core_slice(library, profile, seconds)),
            (f"raw Ed25519, {name}", raw_check(library, seconds)),
            rounds,
            0.8 if library is ed25519_checker else None,
        )
        for name, library in libraries
        for profile in ("vestauth", "web-bot-auth")
    ]
    return found + _others(seconds, rounds)


def _others(seconds: float, rounds: int) -> list[Comparison]:
    private = generate()
    headers = _signed(private, "vestauth")  # the one form that all of them read
    ours = "signature core, vestauth", core_slice(ed25519_checker, "vestauth", seconds)
    with ExitStack() as running:
        others = [
            ("npm `web-bot-auth`", node_library(running, "cloudflare", URL, headers, private, seconds)),
            ("npm `vestauth`", node_library(running, "javascript", URL, headers, private, seconds)),
            ("PyPI `http-message-signatures`", http_message_signatures(URL, headers, private, seconds)),
        ]
        return [compare(ours, (name, theirs), rounds) for name, theirs in others if theirs is not None]


def core_slice(library: Library, profile: str, seconds: float) -> Slice:
    """Verify over and over."""
    run, _ = _verifying(library, profile)
    return repeated(run, seconds)


def raw_check(library: Library, seconds: float, clock: Callable[[], float] = time.process_time) -> Slice:
    """Check the signature of the common form over and over, and nothing else."""
    run, key = _verifying(library, "vestauth")
    proof = run()
    value, base, check = proof.claim.signature.value, proof.base, key.check
    return repeated(lambda: check(value, base), seconds, clock)


def _verifying(library: Library, profile: str) -> tuple[Callable[[], Proof], PublicKey]:
    private = generate()
    key = _bind(private, library)
    headers = {name.lower(): [value] for name, value in _signed(private, profile).items()}
    policy, now = Policy(), int(time.time())
    return lambda: verify(Request("GET", URL, headers), lambda _agent, _kid: key, policy, now)[0], key


def _bind(private: PrivateKey, library: Library) -> PublicKey:
    """The public half, bound to one library."""
    jwk = {name: value for name, value in private.public.jwk.items() if name != "kid"}
    return PublicKey(jwk, "ed25519", library(base64.urlsafe_b64decode(jwk["x"] + "=")))


def _signed(private: PrivateKey, profile: str) -> dict[str, str]:
    components = ["@authority"] if profile == "vestauth" else None
    return sign(
        Request.of("GET", URL, []),
        private,
        created=int(time.time()),
        lifetime=3600,
        agent_url=AGENT,
        components=components,
    )
