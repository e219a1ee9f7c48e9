"""How long one answer takes: at a moderate load, and while others send batches."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from bench import traffic
from bench.again import undisturbed
from bench.figures import percentile
from bench.ground import Ground
from bench.load import rate
from bench.open_loop import latencies
from bench.report import Goal, Measurement, Row
from bench.stacks import Running
from bench.traffic import Agent
from bench.verify import verify_slice, whoami_slice

LOAD: Final = 0.45
PEERS_LOAD: Final = 0.5
LENGTH: Final = 4.0  # seconds of load a round
SINGLES: Final = 200  # a second, beside a stream of batches


def latency(ground: Ground) -> list[Row]:
    """The 99th percentile of `/verify`, absolutely and beside the peer's, each at its share of what it can do."""
    ours = [undisturbed(lambda: _ours(ground)) for _ in range(ground.rounds)]
    what = f"`/verify`, 99 % answered within, at {LOAD:.0%} of its capacity"
    rows: list[Row] = [Measurement(what, "", [_p99(each) for each in ours], "ms", Goal(5, at_most=True))]
    half = [percentile(each, 0.5) * 1000 for each in ours]
    rows.append(Measurement(what.replace("99 %", "50 %"), "", half, "ms", None))
    if ground.vestauth is not None:
        theirs = [undisturbed(lambda: _theirs(ground)) for _ in range(ground.rounds)]
        times = [_p99(our) / _p99(their) for our, their in zip(ours, theirs, strict=True)]
        against = f"vestauth server, `POST /whoami`, at {PEERS_LOAD:.0%} of its capacity"
        rows.append(Measurement(what, against, times, "", Goal(0.25, at_most=True)))
        rows.append(Measurement(against + ", 99 %", "", [_p99(each) for each in theirs], "ms", None))
    return rows


def beside(ground: Ground) -> list[Row]:
    """Single questions while batches are sent, each as soon as the one before is answered."""
    rows: list[Row] = []
    for size in (50, 256):
        found = _rounds(ground, size)
        what = f"`/verify` beside a stream of batches of {size}, {{}} answered within"
        half = [percentile(each, 0.5) * 1000 for each in found]
        rows.append(Measurement(what.format("50 %"), "", half, "ms", Goal(5, at_most=True)))
        rows.append(Measurement(what.format("99 %"), "", [_p99(each) for each in found], "ms", None))
    return rows


def _rounds(ground: Ground, size: int) -> list[list[float]]:
    return [undisturbed(lambda: _beside_batches(ground, size)) for _ in range(ground.rounds)]


def _p99(times: list[float]) -> float:
    return percentile(times, 0.99) * 1000


def _ours(ground: Ground) -> list[float]:
    per_second = LOAD * verify_slice(ground)().rate
    return _questions(ground.vestry.verifier, ground.agents, per_second)


def _questions(verifier: Running, agents: Sequence[Agent], per_second: float) -> list[float]:
    number = int(LENGTH * per_second)
    requests = traffic.verify_requests(f"localhost:{verifier.port}", agents, number)
    return latencies(verifier.port, requests, per_second)


def _theirs(ground: Ground) -> list[float]:
    assert ground.vestauth is not None
    server, agent = ground.vestauth, ground.vestauth_agent
    per_second = PEERS_LOAD * whoami_slice(ground)().rate
    requests = traffic.whoami_requests(
        f"localhost:{server.port}", agent.key, agent.url, int(LENGTH * per_second)
    )
    return latencies(server.port, requests, per_second)


def _beside_batches(ground: Ground, size: int) -> list[float]:
    with _stream(ground, size):
        return _questions(ground.vestry.verifier, ground.agents, SINGLES)


@contextmanager
def _stream(ground: Ground, size: int) -> Iterator[None]:
    """Keep one batch on its way all the time."""
    verifier, agents = ground.vestry.verifier, ground.agents
    authority = f"localhost:{verifier.port}"
    number = int(10_000 * (LENGTH + 1) / size)
    batches = traffic.batch_requests(authority, agents, number, size)
    stream = threading.Thread(target=rate, args=(verifier.port, batches, 1, LENGTH + 0.5))
    stream.start()
    try:
        yield
    finally:
        stream.join()
