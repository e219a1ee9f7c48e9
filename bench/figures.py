"""Figures of slices: how many a second, at what cost of CPU, and how long single answers took. Pure."""

from collections.abc import Callable, Sequence
from math import ceil
from statistics import median
from typing import NamedTuple


class Sample(NamedTuple):
    """What one slice found.

    Attributes:
        rate: how many a second.
        cpu: seconds of the measured process' own time on a core for each; None where that cannot be told.
    """

    rate: float
    cpu: float | None = None


Slice = Callable[[], Sample]
"""Measures for a moment."""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values` that at least `share` (0 to 1) of them do not exceed: the nearest rank.

    Raises ValueError where there are no values.
    """
    if not values:
        raise ValueError("a percentile of nothing")
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


class Spread(NamedTuple):
    """The middle of what the rounds found, and how far they went."""

    low: float
    middle: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return least, median and greatest."""
    return Spread(min(values), median(values), max(values))


def ratios(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[float]:
    """How many times as fast we were, round by round."""
    return [our.rate / their.rate for our, their in zip(ours, theirs, strict=True)]


def cpu_of(samples: Sequence[Sample]) -> float | None:
    """The median cost of CPU in seconds; None where a slice could not tell."""
    known = [sample.cpu for sample in samples if sample.cpu is not None]
    return median(known) if len(known) == len(samples) else None
