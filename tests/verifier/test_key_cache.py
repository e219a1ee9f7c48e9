"""The key cache, with fakes of everything it asks."""

import asyncio
from collections.abc import Callable

import pytest

from vestry_service.live_records import LiveRecord, record_key
from vestry_service.metrics import Metrics
from vestry_service.replay_memory import MemoryReplayStore, MemoryServer
from vestry_service.trust import OwnAgents
from vestry_signatures import PrivateKey, generate
from vestry_signatures.agent_url import AgentUrls
from vestry_signatures.errors import DirectoryUnreachable, ReplayStoreUnavailable, UnknownKey
from vestry_verifier.key_cache import UNKNOWN_FOR, KeyCache

UID = "agent-" + "1" * 24
OTHER = "agent-" + "2" * 24
AGENTS = OwnAgents(AgentUrls("https", "agents.example"))
ONE, TWO = AGENTS.signer(UID), AGENTS.signer(OTHER)


def record_of(key: PrivateKey, uid: str = UID, state: str = "active") -> LiveRecord:
    return LiveRecord(1, uid, key.public.kid, state, 0, 0, key.public.jwk["x"])


class FakeRegistrar:
    """Knows some records, counts the questions, and may be away or give another answer."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], LiveRecord] = {}
        self.asked: list[tuple[str, str]] = []
        self.away = False

    async def ask(self, uid: str, kid: str, *, proven: bool) -> LiveRecord | None:
        self.asked.append((uid, kid))
        await asyncio.sleep(0)
        if self.away:
            raise DirectoryUnreachable
        return self.known.get((uid, kid))


class World:
    """A cache and all it stands on."""

    def __init__(self, capacity: int = 3) -> None:
        self.now = 100.0
        self.server = MemoryServer(lambda: self.now)
        self.registrar = FakeRegistrar()
        self.metrics = Metrics("verifier", "test")
        store = MemoryReplayStore(self.server, 60)
        self.cache = KeyCache(store, self.registrar, self.metrics, lambda: self.now, capacity)  # type: ignore[arg-type]

    def publish(self, record: LiveRecord) -> None:
        self.server.put(record_key(record.kid), record.encode())

    def forget_record(self, key: PrivateKey) -> None:
        self.server.put(record_key(key.public.kid), b"", 0)

    def events(self) -> dict[str, float]:
        self.metrics.tally.settle()
        value = self.metrics.registry.get_sample_value
        found = {
            event: value("vestry_key_cache_events_total", {"event": event}) or 0
            for event in ("hit", "record", "asked", "unknown")
        }
        return {event: count for event, count in found.items() if count}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def key() -> PrivateKey:
    return generate()


async def test_record_path(world: World, key: PrivateKey) -> None:
    """A key on record is taken from there: the registrar is not asked, and next time nobody is."""
    world.publish(record_of(key))
    for _ in range(3):
        found = await world.cache.find(ONE, key.public.kid)
        assert (found.kid, found.jwk) == (key.public.kid, key.public.jwk)
    assert world.registrar.asked == []
    assert world.events() == {"record": 1, "hit": 2}


async def test_record_of_a_revoked_key(world: World, key: PrivateKey) -> None:
    """A key out of use is found too, so that its holder can be told what it is: revoked."""
    world.publish(record_of(key, state="revoked"))
    assert (await world.cache.find(ONE, key.public.kid)).kid == key.public.kid


async def test_question_path(world: World, key: PrivateKey) -> None:
    """A key without a record is asked for once and kept."""
    world.registrar.known[UID, key.public.kid] = record_of(key)
    for _ in range(2):
        assert (await world.cache.find(ONE, key.public.kid)).kid == key.public.kid
    assert world.registrar.asked == [(UID, key.public.kid)]
    assert world.events() == {"asked": 1, "hit": 1}


async def test_record_of_another_agent(world: World, key: PrivateKey) -> None:
    """A kid belongs to one agent for ever: under another name it is unknown, and nobody is asked."""
    world.publish(record_of(key, OTHER))
    with pytest.raises(UnknownKey):
        await world.cache.find(ONE, key.public.kid)
    assert world.registrar.asked == []
    assert (await world.cache.find(TWO, key.public.kid)).kid == key.public.kid
    with pytest.raises(UnknownKey):
        await world.cache.find(ONE, key.public.kid)


async def test_negative_second(world: World, key: PrivateKey) -> None:
    """A kid the registrar does not know is not asked for again within a second, and is after it."""
    for _ in range(5):
        with pytest.raises(UnknownKey):
            await world.cache.find(ONE, key.public.kid)
    assert len(world.registrar.asked) == 1
    world.now += UNKNOWN_FOR
    world.registrar.known[UID, key.public.kid] = record_of(key)
    assert (await world.cache.find(ONE, key.public.kid)).kid == key.public.kid
    assert len(world.registrar.asked) == 2
    assert world.events() == {"asked": 2, "unknown": 5}


async def test_record_outweighs_the_negative_second(world: World, key: PrivateKey) -> None:
    """What is on record now counts, though it was unknown a moment ago: a rotated-in key works at once."""
    with pytest.raises(UnknownKey):
        await world.cache.find(ONE, key.public.kid)
    world.publish(record_of(key))
    assert (await world.cache.find(ONE, key.public.kid)).kid == key.public.kid


async def test_negative_second_of_another_pair(world: World, key: PrivateKey) -> None:
    """That a kid is unknown under one name says nothing about another name."""
    world.registrar.known[UID, key.public.kid] = record_of(key)
    with pytest.raises(UnknownKey):
        await world.cache.find(TWO, key.public.kid)
    assert (await world.cache.find(ONE, key.public.kid)).kid == key.public.kid


async def test_registrar_away_is_not_remembered(world: World, key: PrivateKey) -> None:
    """No answer is not an answer: the next request asks again."""
    world.registrar.away = True
    for _ in range(2):
        with pytest.raises(DirectoryUnreachable):
            await world.cache.find(ONE, key.public.kid)
    world.registrar.away = False
    world.registrar.known[UID, key.public.kid] = record_of(key)
    assert (await world.cache.find(ONE, key.public.kid)).kid == key.public.kid


async def test_store_away(world: World, key: PrivateKey) -> None:
    """A key that is not at hand cannot be found without the store; one that is can."""
    world.publish(record_of(key))
    await world.cache.find(ONE, key.public.kid)
    world.server.fail()
    assert (await world.cache.find(ONE, key.public.kid)).kid == key.public.kid
    with pytest.raises(ReplayStoreUnavailable):
        await world.cache.find(ONE, generate().public.kid)
    assert world.registrar.asked == []


async def test_bounded_and_least_recently_used_goes_first(world: World) -> None:
    """The cache keeps so many keys and drops the one that was not used for longest."""
    keys = [generate() for _ in range(4)]
    for each in keys:
        world.publish(record_of(each))
    for each in keys[:3]:
        await world.cache.find(ONE, each.public.kid)
    await world.cache.find(ONE, keys[0].public.kid)
    await world.cache.find(ONE, keys[3].public.kid)  # puts keys[1] out
    for each in keys:
        world.forget_record(each)
    for each in (keys[0], keys[2], keys[3]):
        assert (await world.cache.find(ONE, each.public.kid)).kid == each.public.kid
    assert world.registrar.asked == []
    with pytest.raises(UnknownKey):
        await world.cache.find(ONE, keys[1].public.kid)


async def test_unknown_kids_are_bounded_too(world: World) -> None:
    """A flood of unknown kids does not grow the memory of them beyond its bound."""
    for _ in range(50):
        with pytest.raises(UnknownKey):
            await world.cache.find(ONE, generate().public.kid)
    assert len(world.cache._unknown) <= 3


async def test_flood_of_unknown_kids_puts_no_known_key_out(world: World, key: PrivateKey) -> None:
    """What strangers ask for takes no place from the keys that are known."""
    world.publish(record_of(key))
    await world.cache.find(ONE, key.public.kid)
    for _ in range(10):
        with pytest.raises(UnknownKey):
            await world.cache.find(ONE, generate().public.kid)
    world.forget_record(key)
    assert (await world.cache.find(ONE, key.public.kid)).kid == key.public.kid


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record._replace(x="AAAA"),
        lambda record: record._replace(x="AQ" + "A" * 41),  # the identity
        lambda record: record._replace(x=generate().public.jwk["x"]),
        lambda record: record._replace(x="!"),
    ],
)
async def test_record_that_is_no_key_or_another_one(
    world: World, key: PrivateKey, spoil: Callable[[LiveRecord], LiveRecord]
) -> None:
    """Not even the store is believed about what a kid stands for: the key must have that very thumbprint."""
    world.publish(spoil(record_of(key)))
    for _ in range(2):
        with pytest.raises(DirectoryUnreachable):
            await world.cache.find(ONE, key.public.kid)
    world.publish(record_of(key))
    assert (await world.cache.find(ONE, key.public.kid)).kid == key.public.kid


async def test_record_that_cannot_be_read(world: World, key: PrivateKey) -> None:
    """A record that is no record counts as missing: the registrar is asked, and writes it anew."""
    world.server.put(record_key(key.public.kid), b"garbage")
    world.registrar.known[UID, key.public.kid] = record_of(key)
    assert (await world.cache.find(ONE, key.public.kid)).kid == key.public.kid
