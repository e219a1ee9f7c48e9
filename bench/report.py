"""The rows of the table, and the table in README.md. Pure, but for the writing at the end.

A *comparison* is a ratio: of the slices of one round, since what disturbs a machine disturbs both; then the median of
the rounds. A *measurement* stands by itself: bytes, milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final, Protocol

from bench.again import undisturbed
from bench.figures import Sample, Slice, Spread, cpu_of, ratios, spread

BEGIN: Final = "<!-- table: begin -->\n"
END: Final = "<!-- table: end -->\n"
HEAD: Final = (
    "| what | against | figure | spread | to reach | reached | a second | against, a second | CPU | against, CPU |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be: at least `bound`, or at most."""

    bound: float
    at_most: bool = False

    def reached(self, figure: float) -> bool:
        return figure <= self.bound if self.at_most else figure >= self.bound


class Row(Protocol):
    """A line of the table."""

    @property
    def what(self) -> str: ...

    @property
    def against(self) -> str: ...

    @property
    def found(self) -> Spread: ...

    @property
    def unit(self) -> str: ...

    @property
    def goal(self) -> Goal | None: ...

    def context(self) -> tuple[str, str, str, str]:
        """The last four columns."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, and what each round found of both."""

    what: str
    against: str
    ours: Sequence[Sample]
    theirs: Sequence[Sample]
    goal: Goal | None
    times: bool = False  # the ratio is of what one takes, and not of how many are done
    unit: str = ""

    @property
    def found(self) -> Spread:
        sides = (self.theirs, self.ours) if self.times else (self.ours, self.theirs)
        return spread(ratios(*sides))

    def context(self) -> tuple[str, str, str, str]:
        sides = (self.ours, self.theirs)
        rates = [f"{median(sample.rate for sample in side):,.0f}" for side in sides]
        costs = [_micros(cpu_of(side)) for side in sides]
        return rates[0], rates[1], costs[0], costs[1]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured, by round."""

    what: str
    against: str
    values: Sequence[float]
    unit: str
    goal: Goal | None

    @property
    def found(self) -> Spread:
        return spread(self.values)

    def context(self) -> tuple[str, str, str, str]:
        return "", "", "", ""


def compare(
    ours: tuple[str, Slice],
    theirs: tuple[str, Slice],
    rounds: int,
    to_reach: float | Goal | None = None,
    *,
    times: bool = False,
) -> Comparison:
    """Measure two things in alternating slices, the first slice of each thrown away as a warm-up."""
    one, other = partial(undisturbed, ours[1]), partial(undisturbed, theirs[1])
    one(), other()
    pairs = [(one(), other()) for _ in range(rounds)]
    goal = Goal(to_reach) if isinstance(to_reach, float) else to_reach
    return Comparison(
        ours[0], theirs[0], [our for our, _ in pairs], [their for _, their in pairs], goal, times
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    return "\n".join([HEAD, *(_line(row) for row in rows)])


def missed(rows: Sequence[Row]) -> list[str]:
    """What was not reached."""
    return [row.what for row in rows if row.goal is not None and not row.goal.reached(row.found.middle)]


def _line(row: Row) -> str:
    low, middle, high = (_figure(value, row.unit) for value in row.found)
    goal = reached = ""
    if row.goal is not None:
        goal = ("at most " if row.goal.at_most else "") + _figure(row.goal.bound, row.unit)
        reached = "yes" if row.goal.reached(row.found.middle) else "**no**"
    cells = [row.what, row.against, f"**{middle}**", f"{low} to {high}", goal, reached, *row.context()]
    return f"| {' | '.join(cells)} |"


def _figure(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if unit == "B" else f"{value:.2f} {unit}".rstrip()


def _micros(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:,.0f} µs"


def write_between(readme: Path, begin: str, end: str, text: str) -> None:
    """Put generated text into its place."""
    before, _, rest = readme.read_text().partition(begin)
    readme.write_text(f"{before}{begin}{text}{end}{rest.partition(end)[2]}")
