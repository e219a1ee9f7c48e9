"""Something done over and over in this process."""

import time
from collections.abc import Callable

from bench.figures import Sample, Slice
from bench.stacks import on_the_servers_core


def repeated(
    act: Callable[[], object], seconds: float, clock: Callable[[], float] = time.process_time
) -> Slice:
    """A slice that does something over and over, counted by the second of a clock: this process's own time on a core.

    What is compared with something that is timed by the clock on the wall takes that one.
    """

    def measure() -> Sample:
        with on_the_servers_core():
            began, done = clock(), 0
            while (spent := clock() - began) < seconds:
                for _ in range(20):
                    act()
                done += 20
        return Sample(done / spent, spent / done)

    return measure
