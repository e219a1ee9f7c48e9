"""What an operator reads after an adoption, or before it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from vestry_registrar.adoption.judgement import JudgedAgent, JudgedKey, Judgement
from vestry_registrar.adoption.reasons import Fate

_HEADINGS = {
    Fate.MOVED: "not believed, moved to the table adoption_quarantine:",
    Fate.REVOKED: "kept as keys that are out of use for ever:",
    Fate.TIDIED: "kept, without what does not belong to a key:",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What an adoption found and did.

    Attributes:
        judgement: what became of every row; None where the database had been adopted before.
        mended: rules of the tables that were missing.
        others: how many other connections to the database there were.
        dry_run: whether nothing was changed.
        adopted_at: when the database had been adopted before.
    """

    judgement: Judgement | None
    mended: tuple[str, ...] = ()
    others: int = 0
    dry_run: bool = False
    adopted_at: str | None = None

    def lines(self) -> Iterator[str]:
        """Yield the report, line by line."""
        if self.judgement is None:
            yield f"this was adopted before, at {self.adopted_at}: nothing was changed"
            return
        yield from _summary(self.judgement)
        yield from _findings(self.judgement)
        yield from _keyless(self.judgement)
        if self.mended:
            yield f"mended in the tables: {', '.join(self.mended)}"
        yield from self._end()

    def _end(self) -> Iterator[str]:
        if not self.dry_run:
            yield "done: start the registrar, and leave the vestauth server stopped"
            return
        if self.others:
            yield f"other connections to the database: {self.others}; stop the vestauth server before you adopt"
        yield "dry run: nothing was changed"


def _summary(judgement: Judgement) -> Iterator[str]:
    yield f"found: agents {len(judgement.agents)}, keys {len(judgement.keys)}"
    states = Counter(key.state for key in judgement.kept_keys)
    yield (
        f"kept: agents {len(judgement.kept_agents)}, keys {len(judgement.kept_keys)} "
        f"(active {states['active']}, revoked {states['revoked']})"
    )


def _findings(judgement: Judgement) -> Iterator[str]:
    for fate, heading in _HEADINGS.items():
        lines = [_agent(agent) for agent in judgement.agents if agent.fate is fate]
        lines += [_key(key) for key in judgement.keys if key.fate is fate]
        if lines:
            yield heading
            yield from lines


def _keyless(judgement: Judgement) -> Iterator[str]:
    agents = judgement.without_active_key
    if agents:
        yield "agents without an active key, which cannot act:"
        yield from (f"  {agent.uid}" for agent in agents)


def _agent(agent: JudgedAgent) -> str:
    why = "; ".join(f"{reason.code}: {reason.text}" for reason in agent.reasons)
    return f"  agents row {agent.row.id}, uid {_shown(agent.row.uid)}: {why}"


def _key(key: JudgedKey) -> str:
    row = key.evidence.row
    why = "; ".join(f"{reason.code}: {reason.text}" for reason in key.reasons)
    removed = ", ".join(_shown(path) for path in key.evidence.removed)
    taken = f" (removed: {removed})" if removed else ""
    return f"  public_jwks row {row.id}, kid {_shown(row.kid)}, {key.uid or 'no agent'}: {why}{taken}"


def _shown(text: str | None) -> str:
    """Make text that a stranger chose harmless to a terminal, and short."""
    if text is None:
        return "NULL"
    short = text if len(text) <= 80 else f"{text[:80]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)
