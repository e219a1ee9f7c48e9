"""`/verify` and `/verify/batch` of one process, everything on, against a peer, a bare handler and raw Ed25519.

The peer answers the same question by `POST /whoami`: who signed this request. It checks less, and stores no nonce.
The bare handler is an ordinary one of aiohttp on the same event loop, which reads the same JSON body and answers JSON
(hello.py). Raw is nothing but the check of one signature, in a loop, on the same core.
"""

import time

from bench import traffic
from bench.core import raw_check
from bench.figures import Sample, Slice
from bench.ground import CONNECTIONS, Ground
from bench.load import sample
from bench.report import Comparison, compare
from vestry_signatures.algorithms import ed25519_by_cryptography, ed25519_checker

BATCH = 50


def verify(ground: Ground) -> list[Comparison]:
    """Compare single questions. In twice the rounds: the peer goes at one of two speeds, by turns."""
    rounds = 2 * ground.rounds
    ours = "`/verify`, one process", verify_slice(ground)
    found = [
        compare(ours, ("aiohttp hello `POST`, JSON read and answered", _hello_slice(ground)), rounds, 0.5)
    ]
    if ground.vestauth is not None:
        theirs = "vestauth server, `POST /whoami`", whoami_slice(ground)
        found.insert(0, compare(ours, theirs, rounds, 8.0))
    return found


def batch(ground: Ground) -> list[Comparison]:
    """Compare batches, by the single question."""
    ours = f"`/verify/batch` of {BATCH}, a question", _batch_slice(ground, BATCH)
    return [
        compare(ours, ("raw Ed25519, the library used", _raw_slice(ground, used=True)), ground.rounds, 0.6),
        compare(ours, ("raw Ed25519, `cryptography`", _raw_slice(ground, used=False)), ground.rounds, 1.0),
    ]


def verify_slice(ground: Ground) -> Slice:
    """Questions by some connections at once."""
    verifier, agents = ground.vestry.verifier, ground.agents

    def measure() -> Sample:
        number = int(ground.seconds * 16_000)
        requests = traffic.verify_requests(f"localhost:{verifier.port}", agents, number)
        return sample(verifier, requests, CONNECTIONS, ground.seconds)

    return measure


def whoami_slice(ground: Ground) -> Slice:
    """The peer asked by as many."""
    assert ground.vestauth is not None
    server, agent = ground.vestauth, ground.vestauth_agent

    def measure() -> Sample:
        number = int(ground.seconds * 3000)
        requests = traffic.whoami_requests(f"localhost:{server.port}", agent.key, agent.url, number)
        return sample(server, requests, CONNECTIONS, ground.seconds)

    return measure


def _hello_slice(ground: Ground) -> Slice:
    server = ground.hello
    like = traffic.verify_requests("localhost", ground.agents, 1)
    requests = traffic.hello_requests(f"localhost:{server.port}", like * int(ground.seconds * 60_000))
    return lambda: sample(server, requests, CONNECTIONS, ground.seconds)


def _batch_slice(ground: Ground, size: int) -> Slice:
    verifier, agents = ground.vestry.verifier, ground.agents

    def measure() -> Sample:
        number = int(ground.seconds * 20_000 / size)
        requests = traffic.batch_requests(f"localhost:{verifier.port}", agents, number, size)
        return sample(verifier, requests, 4, ground.seconds, size)

    return measure


def _raw_slice(ground: Ground, *, used: bool) -> Slice:
    library = ed25519_checker if used else ed25519_by_cryptography
    return raw_check(library, ground.seconds, time.perf_counter)
