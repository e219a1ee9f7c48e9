"""Ratios: of the slices of one round, since what disturbs a machine disturbs both; then the median of the rounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

Slice = Callable[[], float]
"""Measures for a moment and returns how many a second."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, how often a second each did it, by round, and the ratio to reach (None: for context)."""

    ours: str
    theirs: str
    our_rates: list[float]
    their_rates: list[float]
    to_reach: float | None

    @property
    def ratios(self) -> list[float]:
        return sorted(ours / theirs for ours, theirs in zip(self.our_rates, self.their_rates, strict=True))

    def row(self) -> str:
        """One line of a Markdown table."""
        ratios = self.ratios
        goal = "" if self.to_reach is None else f"{self.to_reach:.2f}"
        return (
            f"| {self.ours} | {self.theirs} | **{median(ratios):.2f}** | {ratios[0]:.2f} to {ratios[-1]:.2f} "
            f"| {goal} | {median(self.our_rates):,.0f} | {median(self.their_rates):,.0f} |"
        )


HEAD = (
    "| what | against | ratio | spread | to reach | a second | against, a second |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


def compare(
    ours: tuple[str, Slice], theirs: tuple[str, Slice], rounds: int, to_reach: float | None = None
) -> Comparison:
    """Measure two things in alternating slices, the first slice of each thrown away as a warm-up."""
    ours[1](), theirs[1]()
    pairs = [(ours[1](), theirs[1]()) for _ in range(rounds)]
    return Comparison(ours[0], theirs[0], [pair[0] for pair in pairs], [pair[1] for pair in pairs], to_reach)


def table(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as a Markdown table."""
    return "\n".join([HEAD, *(comparison.row() for comparison in comparisons)])
