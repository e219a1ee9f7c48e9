"""A store's memory never begins earlier than it does: what it may have forgotten, nobody may judge."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from records import Seen, migrated
from vestry_registrar import live_store_memory
from vestry_registrar.live_store_memory import MemoryLiveStore
from vestry_registrar.marked_server import MarkedServer, ServerFacts
from vestry_registrar.memory import Memory
from vestry_registrar.memory_steps import (
    FAR_FUTURE,
    Adopt,
    Beat,
    Begin,
    Distrust,
    Open,
    Refuse,
    Shut,
    Wait,
    decide,
)
from vestry_registrar.repository import memory_marks
from vestry_registrar.repository.memory_marks import KnownStore
from vestry_service.live_records import LiveRecord, Mark, mark_key
from vestry_service.postgres import Connection, Pool
from vestry_service.replay import Claim
from vestry_service.replay_memory import MemoryReplayStore, MemoryServer
from vestry_service.store.watch import HANDOVER
from vestry_signatures.errors import ReplayStoreUnavailable

SKEW = 60
NOW = 1_770_000_000.5
ANEW = 1_770_000_061
KID = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"

FACTS = ServerFacts("run-a", "master", True, "noeviction", False, True, pulse=7)
KNOWN = KnownStore("run-a", promoted=False, since=0, pulse=7, phase="open")
MARK = Mark(0, "run-a", SKEW)
RESTARTED = FACTS._replace(run_id="run-b")


def judged(facts: ServerFacts = FACTS, found: Mark | None = MARK, known: KnownStore | None = KNOWN) -> object:
    return decide(facts, found, known, NOW, SKEW)


def test_the_first_store_a_database_ever_knew_begins_at_0() -> None:
    """Nothing was ever spent, so nothing can have been forgotten, whatever the store is."""
    step = judged(FACTS._replace(pulse=0), None, None)
    assert step == Begin(0, "the first store", whole=True)


def test_a_server_to_which_nothing_happened_keeps_its_beginning() -> None:
    """The same process with its marks and a pulse that is not behind: nothing but the next beat."""
    assert judged() == Beat()
    assert judged(FACTS._replace(pulse=8)) == Beat()


def test_append_only_off_is_no_loss_while_the_process_lives() -> None:
    """Memory is lost at a restart and not before."""
    assert judged(FACTS._replace(aof_enabled=False)) == Beat()


def test_a_store_that_remembers_for_a_greater_skew_keeps_its_beginning() -> None:
    """Where the setting was lowered, or another registrar's is greater: more is remembered than we ask for."""
    assert judged(found=MARK._replace(skew=3600)) == Beat()


def test_the_same_server_restarted_whole_keeps_its_beginning() -> None:
    """Another run id, but all marks and at least the pulse that Postgres knows."""
    step = judged(RESTARTED)
    assert isinstance(step, Begin)
    assert (step.since, step.whole) == (0, True)


@pytest.mark.parametrize(
    ("facts", "found", "known"),
    [
        pytest.param(FACTS._replace(pulse=0), None, KNOWN, id="flushed"),
        pytest.param(FACTS, None, KNOWN, id="marks partly missing"),
        pytest.param(FACTS, Mark(5, "run-a", SKEW), KNOWN, id="marks with another beginning"),
        pytest.param(FACTS._replace(pulse=6), MARK, KNOWN, id="an older file loaded by the same process"),
        pytest.param(FACTS, MARK._replace(skew=59), KNOWN, id="the clock skew was raised"),
        pytest.param(RESTARTED, MARK._replace(skew=59), KNOWN, id="restarted, and the clock skew was raised"),
        pytest.param(FACTS._replace(promoted=True), MARK, KNOWN, id="promoted, and the same process"),
        pytest.param(RESTARTED._replace(pulse=0), None, KNOWN, id="restarted empty"),
        pytest.param(RESTARTED._replace(pulse=6), MARK, KNOWN, id="restarted with an older file"),
        pytest.param(RESTARTED, None, KNOWN, id="restarted with marks missing"),
        pytest.param(RESTARTED, Mark(0, "run-c", SKEW), KNOWN, id="another server with its own marks"),
        pytest.param(RESTARTED, Mark(0, "run-b", SKEW), KNOWN, id="back from a store that was known before"),
        pytest.param(RESTARTED._replace(aof_enabled=False), MARK, KNOWN, id="restarted without append-only"),
        pytest.param(RESTARTED._replace(promoted=True), MARK, KNOWN, id="a promoted replica"),
        pytest.param(RESTARTED._replace(standalone=False), MARK, KNOWN, id="restarted, not standalone"),
        pytest.param(RESTARTED, MARK, replace(KNOWN, phase="shut"), id="restarted before it was open"),
        pytest.param(FACTS._replace(pulse=6), None, replace(KNOWN, phase="begun"), id="flushed when begun"),
        pytest.param(FACTS._replace(pulse=6), None, replace(KNOWN, phase="shut"), id="flushed when shut"),
        pytest.param(FACTS, None, replace(KNOWN, phase="begun"), id="marks missing when begun"),
        pytest.param(FACTS, None, replace(KNOWN, phase="shut"), id="marks missing when shut"),
        pytest.param(FACTS, MARK, replace(KNOWN, run_id=""), id="not trusted"),
    ],
)
def test_everything_else_begins_anew(facts: ServerFacts, found: Mark | None, known: KnownStore) -> None:
    """Where nonces may be gone, memory begins after any signature that was accepted."""
    step = judged(facts, found, known)
    assert isinstance(step, Begin)
    handover = HANDOVER if facts.promoted or not facts.standalone else 0
    assert (step.since, step.whole) == (ANEW + handover, False)


def test_memory_begins_by_the_later_of_two_clocks() -> None:
    """A registrar or a server whose clock is behind does not let in what was signed before the loss."""
    for facts, since in ((FACTS._replace(now=NOW + 500), ANEW + 500), (FACTS._replace(now=NOW - 500), ANEW)):
        step = judged(facts, None)
        assert isinstance(step, Begin)
        assert step.since == since


def test_a_decision_is_carried_out_on_the_server_it_was_made_for() -> None:
    """First its marks are made ours, whatever they are; then, if they are ours, it opens."""
    for found in (None, MARK, Mark(FAR_FUTURE, "run-a", 0)):
        assert judged(FACTS, found, replace(KNOWN, phase="begun", pulse=0)) == Shut()
    for found in (MARK, Mark(FAR_FUTURE, "run-a", 0)):
        assert judged(FACTS, found, replace(KNOWN, phase="shut")) == Open()


PROMOTED = FACTS._replace(run_id="run-b.old", promoted=True, pulse=7)
NODE = FACTS._replace(standalone=False, clustered=True, pulse=0)
KNOWN_NODE = replace(KNOWN, pulse=0, since=100)


def test_a_promoted_server_is_opened_when_nobody_uses_the_old_one_any_more() -> None:
    """Everything is decided and shut at once; then it waits until those who have not heard yet must have heard."""
    step = judged(PROMOTED)
    assert isinstance(step, Begin)
    known = KnownStore("run-b.old", promoted=True, since=step.since, pulse=7, phase="shut")
    closed = Mark(FAR_FUTURE, "run-b.old", 0)
    for waited, expected in ((0, Wait()), (HANDOVER - 1.5, Wait()), (HANDOVER, Open())):
        assert decide(PROMOTED, closed, known, NOW + waited, SKEW) == expected


def test_a_server_that_is_not_the_first_begins_anew() -> None:
    """What was let through by others, a node that nobody knows cannot remember."""
    assert decide(NODE, None, None, NOW, SKEW, first=True) == Begin(0, "the first store", whole=True)
    step = decide(NODE, None, None, NOW, SKEW, first=False)
    assert isinstance(step, Begin)
    assert (step.since, step.whole) == (ANEW + HANDOVER, False)


def test_tags_that_came_to_a_node_begin_anew_and_its_others_go_on() -> None:
    """As long as its own marks are there, which may begin later than the node did."""
    for since in (100, 200):
        mark = Mark(since, "run-a", SKEW)
        assert decide(NODE, mark, KNOWN_NODE, NOW, SKEW) == Beat()
        step = decide(NODE._replace(strays=3), mark, KNOWN_NODE, NOW, SKEW)
        assert step == Adopt(ANEW + HANDOVER)


@pytest.mark.parametrize("found", [None, Mark(99, "run-a", SKEW), Mark(100, "run-c", SKEW)])
def test_a_node_that_lost_a_mark_begins_anew(found: Mark | None) -> None:
    """A missing mark, one of before its last beginning, or none but another server's: nonces may be gone."""
    step = decide(NODE._replace(strays=3), found, KNOWN_NODE, NOW, SKEW)
    assert isinstance(step, Begin)
    assert step.since == ANEW + HANDOVER


def test_one_server_may_not_have_marks_that_begin_later() -> None:
    """Where there are no slots to move, a mark of another beginning is somebody else's."""
    assert isinstance(judged(found=Mark(5, "run-a", SKEW)), Begin)


def test_a_server_that_may_evict_is_refused_and_shut_once() -> None:
    """Whatever else it is: nothing passes while it could forget a nonce for lack of room."""
    evicting = FACTS._replace(maxmemory_policy="allkeys-lru")
    for known in (None, KNOWN, replace(KNOWN, phase="shut")):
        step = judged(evicting, MARK, known)
        assert isinstance(step, Refuse)
        assert step.shut
        assert "noeviction" in step.why
    shut = judged(evicting, Mark(FAR_FUTURE, "run-a", 0), KNOWN)
    assert isinstance(shut, Refuse)
    assert not shut.shut


def test_a_known_primary_that_became_a_replica_is_never_trusted_again() -> None:
    """Its keys are those of another server now. A replica that was not known is just not marked."""
    replica = FACTS._replace(role="slave")
    assert judged(replica) == Distrust()
    assert isinstance(judged(replica, MARK, None), Refuse)
    assert isinstance(judged(replica, MARK, replace(KNOWN, run_id="run-c")), Refuse)


# From here on with a real Postgres, and a store that can be ill-treated at any point.


class Killed(BaseException):
    """The registrar is gone."""


@dataclass
class Dying:
    """A live store whose user dies at its operation number `at`: before it, or right after it was done."""

    inner: MemoryLiveStore
    at: int
    after: bool
    done: int = 0
    accident: Callable[[], None] | None = None

    async def _do(self, operation: Callable[[], Awaitable[Any]]) -> Any:
        self.done += 1
        if self.done == self.at and not self.after:
            self._end()
        result = await operation()
        if self.done == self.at:
            self._end()
        return result

    def _end(self) -> None:
        if self.accident is None:
            raise Killed
        self.accident()

    node = ""

    async def servers(self) -> Sequence[MarkedServer]:
        return [self]

    def holds(self, kid: str) -> bool:
        return self.inner.holds(kid)

    async def server(self) -> Any:
        return await self._do(self.inner.server)

    async def marks(self) -> Any:
        return await self._do(self.inner.marks)

    async def set_marks(self, mark: Mark, *, strays: bool = False) -> None:
        await self._do(lambda: self.inner.set_marks(mark, strays=strays))

    async def beat(self, pulse: int, run_id: str) -> None:
        await self._do(lambda: self.inner.beat(pulse, run_id))

    async def write(self, records: Sequence[LiveRecord], *, read_at: float | None = None) -> set[str]:
        return set(await self._do(lambda: self.inner.write(records, read_at=read_at)))

    async def aclose(self) -> None:
        """Nothing to close."""


class House:
    """A database, a store, a clock, and registrars that come and go."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.now = NOW
        self.seen = Seen()
        self.refreshed = 0
        self.spent = False
        self.forgotten_until = 0.0
        self.server = MemoryServer(lambda: self.now)
        self.live = MemoryLiveStore(self.server, 300, lambda: self.now)
        self.replay = MemoryReplayStore(self.server, SKEW)

    def registrar(self, live: MemoryLiveStore | Dying | None = None) -> Memory:
        return Memory(self.pool, live or self.live, self._refresh, SKEW, lambda: self.now, self.seen)  # type: ignore[arg-type]

    async def _refresh(self, _: Connection, _holds: Callable[[str], bool]) -> None:
        self.refreshed += 1

    async def passes(self, created: float | None = None) -> bool:
        """Whether a signature made now (or then) is one that the store can judge."""
        moment = int(self.now if created is None else created)
        [answer] = await self.replay.recheck([Claim(KID, b"0" * 16, int(self.now) + 300, moment)])
        return answer.remembered

    async def live_through(self, loses: bool, befall: Callable[["House"], None]) -> None:
        """Accept signatures if the store lets them pass, for a while, and then have an accident."""
        self.spent = self.spent or await self.passes()
        self.now += 500
        self.spent = self.spent or await self.passes()
        if loses and self.spent:
            self.forgotten_until, self.spent = self.now + SKEW, False
        befall(self)
        self.now += 5

    async def known(self) -> KnownStore | None:
        return await memory_marks.find(self.pool)

    def lose_a_little(self) -> None:
        """Come back from a file of a moment ago: everything is there, and the pulse is behind."""
        self.server.restart(whole=True)
        self.server.put(b"vestry:pulse", b"%d" % max(0, int(self.server.get(b"vestry:pulse") or 0) - 2))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as pool:
        yield pool


@pytest.fixture
def house(pool: Pool) -> House:
    return House(pool)


async def test_a_first_look_opens_the_store(house: House) -> None:
    """After one look everything that was ever signed can be judged, and Postgres knows the store."""
    await house.registrar().look()
    assert await house.passes(created=1)
    assert await house.known() == KnownStore(house.server.run_id, False, 0, 1, "open")


async def test_a_look_raises_the_pulse_in_both(house: House) -> None:
    """Each look is one beat further, the same in Redis and in Postgres."""
    pulses = []
    for _ in range(4):
        await house.registrar().look()
        known = await house.known()
        assert known is not None
        assert (await house.live.server()).pulse == known.pulse
        pulses.append(known.pulse)
    assert pulses == [1, 2, 3, 4]


async def test_a_restart_with_everything_keeps_the_beginning(house: House) -> None:
    """Nothing passes until the next look, then everything does; stale live records were rewritten before."""
    await house.registrar().look()
    house.server.restart(whole=True)
    assert not await house.passes()
    before = house.refreshed
    await house.registrar().look()
    assert await house.passes(created=1)
    assert house.refreshed == before + 1


@pytest.mark.parametrize("accident", ["forget", "restart empty", "lose a little", "lose a mark"])
async def test_a_loss_moves_the_beginning(house: House, accident: str) -> None:
    """What was signed before, up to the clock skew ahead, is never judged again; what is signed later is."""
    await house.registrar().look()
    await house.registrar().look()
    {
        "forget": house.server.forget,
        "restart empty": lambda: house.server.restart(whole=False),
        "lose a little": house.lose_a_little,
        "lose a mark": lambda: house.server.put(b"g{AA}", b"", 0.0),
    }[accident]()
    await house.registrar().look()
    assert await house.live.marks() == Mark(ANEW, house.server.run_id, SKEW)
    assert not await house.passes(created=NOW + SKEW)
    house.now += SKEW + 2
    assert await house.passes()


async def test_moving_to_another_store_and_back_moves_the_beginning(house: House) -> None:
    """The first store does not know what was spent at the second, however whole it is."""
    await house.registrar().look()
    other = House(house.pool)
    other.server.run_id = "f" * 40
    await other.registrar().look()
    assert not await other.passes(created=NOW + SKEW)
    await house.registrar().look()
    assert not await house.passes(created=NOW + SKEW)


async def test_a_server_that_may_evict_lets_nothing_pass(house: House) -> None:
    """From the look that finds it out; once it is set right, memory begins anew."""
    await house.registrar().look()
    house.server.maxmemory_policy = "allkeys-lru"
    with pytest.raises(ReplayStoreUnavailable):
        await house.registrar().look()
    assert not await house.passes()
    house.server.maxmemory_policy = "noeviction"
    await house.registrar().look()
    assert not await house.passes(created=NOW + SKEW)
    house.now += SKEW + 2
    assert await house.passes()


async def test_a_primary_that_was_a_replica_for_a_while_begins_anew(house: House) -> None:
    """Also when it comes back under the same run id with everything it had."""
    await house.registrar().look()
    house.server.role = "slave"
    await house.registrar().look()
    house.server.role = "master"
    await house.registrar().look()
    assert not await house.passes(created=NOW + SKEW)


async def test_while_another_registrar_looks_nothing_is_done(house: House) -> None:
    """One registrar at a time: the others neither wait nor touch the store."""
    async with house.pool.acquire() as connection, connection.transaction():
        assert await memory_marks.try_lock(connection)
        await house.registrar().look()
        assert await house.live.marks() is None
    await house.registrar().look()
    assert await house.live.marks() == Mark(0, house.server.run_id, SKEW)


async def test_a_store_restarted_under_the_pulse_is_not_trusted(house: House) -> None:
    """A restart between the question who it is and the beat would hide its loss behind the new pulse."""
    await house.registrar().look()
    await house.registrar().look()
    dying = Dying(house.live, at=3, after=False, accident=house.lose_a_little)
    with pytest.raises(ReplayStoreUnavailable):
        await house.registrar(dying).look()
    await house.registrar().look()
    assert not await house.passes(created=NOW + SKEW)


# What can befall a store: whether spent nonces are lost by it, and how it is done.
ACCIDENTS: dict[str, tuple[bool, Callable[[House], None]]] = {
    "none": (False, lambda house: None),
    "restarted whole": (False, lambda house: house.server.restart(whole=True)),
    "flushed": (True, lambda house: house.server.forget()),
    "restarted empty": (True, lambda house: house.server.restart(whole=False)),
    "restarted a little behind": (True, House.lose_a_little),
    "a mark missing": (True, lambda house: house.server.put(b"g{AA}", b"", 0.0)),
}
PASTS = ["never a store", "none", "restarted whole", "flushed", "restarted a little behind", "a mark missing"]


@pytest.mark.parametrize("past", PASTS)
async def test_a_kill_at_any_point_never_opens_too_early(
    pool: Pool, past: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before or after each operation, with each accident then: the next registrar never believes too much.

    Signatures are accepted whenever the store lets them. If any were since the last loss, a new loss means that
    nothing created up to then and the clock skew may ever be judged again. And after all of it the store opens.
    """
    two_are_enough = [mark_key("AA"), mark_key(KID)]
    monkeypatch.setattr(live_store_memory, "MARK_KEYS", two_are_enough)
    for accident, after in itertools.product(ACCIDENTS, (False, True)):
        kills = 0
        while await _survives_a_kill(pool, past, accident, kills + 1, after):
            kills += 1
        assert kills >= 3, "it was never killed"


async def _survives_a_kill(pool: Pool, past: str, accident: str, at: int, after: bool) -> bool:
    """Go through one of these stories; False where the registrar was done before it could be killed."""
    story = (past, accident, at, after)
    await pool.execute("DELETE FROM memory_mark")
    house = House(pool)
    if past != "never a store":
        for _ in range(3):
            await house.registrar().look()
        await house.live_through(*ACCIDENTS[past])
    try:
        await house.registrar(Dying(house.live, at, after)).look()
    except Killed:
        pass
    else:
        return False
    await house.live_through(*ACCIDENTS[accident])
    await house.registrar().look()
    mark = await house.live.marks()
    assert mark is not None
    assert mark.run_id == house.server.run_id
    assert mark.since >= house.forgotten_until, story
    house.now += 1000
    await house.registrar().look()
    assert await house.passes(), story
    return True
