"""What to do next about the memory of nonces: pure decisions (see `memory.py` for what it is about).

Postgres keeps one row about the store: run id, beginning, pulse, phase. It is compared with what the server
says of itself:

- There never was a store: nothing was ever spent. Its memory begins at 0, always.
- The same process, its marks whole, its pulse not behind: nothing happened. It keeps its beginning.
- Another process that is the same server with its append-only file whole: it keeps its beginning too.
- The setting CLOCK_SKEW was raised since: nonces that others would accept again by now are gone.
- A tag that came to a node of a Cluster from another one begins anew, and the others of that node go on.
- Anything else may have lost nonces too: it begins at now + CLOCK_SKEW, after the `created` of every signature
  that can have been accepted before. In doubt it is this; the price is a minute of "sign anew".

Where another server may have been in use until now, and may be for a moment by who has not heard (`store.watch`),
HANDOVER seconds are added, and the store is not opened before they are over: by then no signature can be accepted,
and no key revoked, at a server that was left behind.

**How "whole" is told: the pulse.** A counter is raised each second, in Redis first, and in Postgres only when
Redis has acknowledged it. A server that comes back with less than Postgres knows has lost its latest writes.
One that comes back with at least as much has lost at most what it was told after its last pulse: with
`appendfsync everysec` a power cut can cost that second, and so can a kill while the disk is slow to sync; with
`always` nothing.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from vestry_registrar.marked_server import FAR_FUTURE, ServerFacts
from vestry_registrar.repository.memory_marks import KnownStore
from vestry_service.live_records import Mark
from vestry_service.store.watch import HANDOVER

NEVER_FORGETS: Final = "noeviction"


@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing to decide: raise the pulse."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Decide that this server's memory begins at `since` (Unix seconds). `whole`: nothing was forgotten."""

    since: int
    why: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Shut:
    """A beginning is decided for this server: make its marks ours."""


@dataclass(frozen=True, slots=True)
class Open:
    """All that must come before is done: let signatures pass."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A server may still be in use that this one took over from: do not open before everybody has left it."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Tags came here from another node: let their memory begin at `since` (Unix seconds)."""

    since: int


@dataclass(frozen=True, slots=True)
class Distrust:
    """The known server does what no primary does; whatever it is later, it is another store."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not a server for nonces, for as long as it is so. `shut`: its marks may still let signatures pass."""

    why: str
    shut: bool = False


Step = Beat | Begin | Shut | Wait | Open | Adopt | Distrust | Refuse


def decide(
    facts: ServerFacts,
    found: Mark | None,
    known: KnownStore | None,
    now: float,
    clock_skew: int,
    first: bool = True,
) -> Step:
    """Decide the next step.

    Args:
        facts: what the server says of itself.
        found: the mark that all of its places carry, None if they do not.
        known: what Postgres knows of the store it knew last, None if it never knew this one.
        now: Unix seconds, taken after `facts` and `found`.
        clock_skew: seconds.
        first: nothing was ever let through by any store; only looked at where this one is not known.
    """
    now = max(now, facts.now)
    if facts.role != "master":
        mine = known is not None and known.run_id == facts.run_id
        return Distrust() if mine else Refuse("Redis is not a primary")
    if facts.maxmemory_policy != NEVER_FORGETS:
        return Refuse(
            "Redis may drop nonces: set its maxmemory-policy to noeviction", shut=found != shut(facts)
        )
    anew = ceil(now) + clock_skew + _handover(facts)
    if known is None:
        return (
            Begin(0, "the first store", whole=True) if first else Begin(anew, "another server", whole=False)
        )
    is_ours = _is_open(facts, found, known, clock_skew)
    if _same_process(facts, known):
        match known.phase:
            case "begun" if known.pulse == 0 or (
                found is not None and found.since in (known.since, FAR_FUTURE)
            ):
                return Shut()
            case "shut" if is_ours or found == shut(facts):
                return Wait() if known.since - clock_skew - now > 1 else Open()
            case "open" if is_ours:
                return Adopt(anew) if facts.strays else Beat()
    elif is_ours and _restarted_whole(facts, known):
        return Begin(known.since, "the same server, restarted whole", whole=True)
    # By the later of both clocks: one that is behind would let in again what was signed just before the loss.
    return Begin(anew, "nonces may be gone", whole=False)


def shut(facts: ServerFacts) -> Mark:
    """Return the mark under which this server lets nothing pass."""
    return Mark(FAR_FUTURE, facts.run_id, 0)


def _handover(facts: ServerFacts) -> int:
    """Seconds for which the server that this one took over from may still be in use (`store.watch`)."""
    return HANDOVER if facts.promoted or not facts.standalone else 0


def _is_open(facts: ServerFacts, found: Mark | None, known: KnownStore, clock_skew: int) -> bool:
    """Whether the marks are those of the known store, for our clock skew or a greater one."""
    if found is None or found.skew < clock_skew or found.run_id != known.run_id:
        return False
    later = facts.clustered and known.since < found.since < FAR_FUTURE
    return found.since == known.since or later


def _same_process(facts: ServerFacts, known: KnownStore) -> bool:
    same = (facts.run_id, facts.promoted) == (known.run_id, known.promoted)
    return same and facts.pulse >= known.pulse


def _restarted_whole(facts: ServerFacts, known: KnownStore) -> bool:
    """Whether another process has all that the known one had; `decide` has compared the marks already."""
    durable = facts.standalone and facts.aof_enabled and not facts.promoted
    return durable and known.phase == "open" and facts.run_id != known.run_id and facts.pulse >= known.pulse
