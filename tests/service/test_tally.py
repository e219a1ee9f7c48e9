"""Counted together is counted as if one by one."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from vestry_service.metrics import VERIFY_BUCKETS, Metrics
from vestry_service.tally import MOMENT, Happening, Tally


class Counts:
    """One metric of each kind."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.counter = Counter("a", "A", ("label",), registry=self.registry).labels("x")
        self.gauge = Gauge("b", "B", registry=self.registry)
        self.histogram = Histogram("c", "C", buckets=VERIFY_BUCKETS, registry=self.registry)
        self.happened = Counter("d", "D", registry=self.registry)

    @property
    def shown(self) -> list[str]:
        lines = generate_latest(self.registry).decode().splitlines()
        return [line for line in lines if "_created" not in line]


SECONDS = st.one_of(st.sampled_from([0.0, *VERIFY_BUCKETS]), st.integers(0, 5000).map(lambda n: n / 1024))


@given(st.lists(SECONDS), st.integers(0, 3), st.integers(-3, 3))
def test_what_is_shown_is_what_one_by_one_would_have_shown(
    seconds: list[float], added: int, stands: int
) -> None:
    """Bounds of buckets included: a value that is one belongs to that bucket."""
    together, alone = Counts(), Counts()

    async def turn() -> None:
        tally = Tally()
        happening = Happening(together.histogram, together.counter, together.happened)
        for each in seconds:
            tally.happened(happening, each)
        for _ in range(added):
            tally.add(together.counter)
        tally.add(together.gauge, stands)
        tally.settle()

    asyncio.run(turn())
    for each in seconds:
        alone.histogram.observe(each)
        alone.counter.inc()
        alone.happened.inc()
    for _ in range(added):
        alone.counter.inc()
    alone.gauge.inc(stands)
    assert [_rounded(line) for line in together.shown] == [_rounded(line) for line in alone.shown]


def _rounded(line: str) -> str:
    name, _, value = line.rpartition(" ")
    return f"{name} {float(value):.9f}" if name.startswith(("a_", "b", "c_", "d_")) else line


async def test_a_moment_is_told_once_at_its_end() -> None:
    """Not before, and no later than that; without a moment it is the turn."""
    await told_once(Tally(), 0.0)
    await told_once(Tally(MOMENT), MOMENT + 0.01)


async def told_once(tally: Tally, moment: float) -> None:
    counts = Counts()
    told: list[float] = []
    inc: Callable[[float], None] = counts.counter.inc
    counts.counter.inc = lambda amount=1.0: (told.append(amount), inc(amount))  # type: ignore[method-assign]
    tally.add(counts.counter)
    tally.add(counts.counter)
    if moment:
        await asyncio.sleep(0)
    assert told == []
    await asyncio.sleep(moment)
    assert told == [2.0]


def test_without_a_loop_it_is_told_at_once() -> None:
    """There is no end of a turn to wait for."""
    counts = Counts()
    Tally().add(counts.counter)
    assert 'a_total{label="x"} 1.0' in counts.shown


@pytest.mark.parametrize("ways", [1, 2])
def test_counts_of_a_loop_that_ended_are_not_lost(ways: int) -> None:
    """The next loop that counts anything takes them along, and so does whoever looks."""
    metrics = Metrics("verifier", "1.2.3")

    async def count() -> None:
        metrics.http.answered("GET", "/", 200, 0.1)
        asyncio.get_running_loop().stop()

    for _ in range(ways):
        loop = asyncio.new_event_loop()
        task = loop.create_task(count())
        loop.run_forever()
        assert task.done()
        loop.close()
    assert f'status="200"}} {ways}.0' in metrics.render()[0].decode()


async def test_what_was_counted_just_now_is_shown() -> None:
    """A scrape shows itself being answered."""
    metrics = Metrics("verifier", "1.2.3")
    metrics.http.began()
    assert 'http_requests_in_progress{service="verifier"} 1.0' in metrics.render()[0].decode()
    metrics.http.ended()
    assert 'http_requests_in_progress{service="verifier"} 0.0' in metrics.render()[0].decode()
