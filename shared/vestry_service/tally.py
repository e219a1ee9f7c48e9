"""What is counted in one turn of the event loop, added together at its end.

A request is counted a dozen times, and the library that keeps the counts checks and locks each time: under load that
is a tenth of the work. Many requests are answered in one turn then, and nearly all of them count the same things. So
a turn's counts are collected here, and each counter and each bucket of a histogram is told once.

Whoever shows the counts settles first, so nothing is ever seen late by the process that counted it; by others at most
by a turn. Without an event loop there is nothing to wait for, and everything is told at once.
"""

import asyncio
from bisect import bisect_left
from collections import Counter as Counting
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram


class Tally:
    """The counts of the metrics of one service that are not told yet."""

    def __init__(self) -> None:
        self._counts: dict[Counter | Gauge, float] = {}
        self._times: dict[Histogram, list[float]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, metric: Counter | Gauge, amount: float = 1.0) -> None:
        """Add to a metric whose labels are chosen."""
        self._counts[metric] = self._counts.get(metric, 0.0) + amount
        self._await_the_end()

    def observe(self, histogram: Histogram, seconds: float) -> None:
        """Let a histogram whose labels are chosen observe a value."""
        self._times.setdefault(histogram, []).append(seconds)
        self._await_the_end()

    def settle(self) -> None:
        """Tell the metrics what they do not know yet."""
        counts, self._counts = self._counts, {}
        times, self._times = self._times, {}
        self._loop = None
        for metric, amount in counts.items():
            metric.inc(amount)
        for histogram, seconds in times.items():
            _observe_all(histogram, seconds)

    def _await_the_end(self) -> None:
        if self._loop is not None and self._loop.is_running():
            return  # it will be over soon; asking which loop runs would cost a system call each time
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self.settle()
        else:
            self._loop.call_soon(self.settle)


def _observe_all(histogram: Histogram, seconds: Sequence[float]) -> None:
    """Do what `observe` does for each; only that each bucket is told once."""
    buckets, bounds = histogram._buckets, histogram._upper_bounds  # noqa: SLF001  # there is no public way to them
    histogram._sum.inc(sum(seconds))  # noqa: SLF001
    for place, number in Counting(bisect_left(bounds, each) for each in seconds).items():
        buckets[place].inc(number)
