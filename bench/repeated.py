"""Something done over and over in this process."""

import time
from collections.abc import Callable

from bench.figures import Sample, Slice
from bench.stacks import on_the_servers_core


def repeated(act: Callable[[], object], seconds: float) -> Slice:
    """A slice that does something over and over, by the second of this process's own time on a core."""

    def measure() -> Sample:
        with on_the_servers_core():
            began, done = time.process_time(), 0
            while (spent := time.process_time() - began) < seconds:
                for _ in range(20):
                    act()
                done += 20
        return Sample(done / spent, spent / done)

    return measure
