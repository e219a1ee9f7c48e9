"""What the registrar's side of the store promises: one contract, over the fake and over a real Valkey."""

import asyncio
import random
import time
from pathlib import Path

import pytest
from redis import Redis

from replay_stores import (
    ALICE,
    BOB,
    KEY_RECORD_TTL,
    RealServer,
    Stores,
    fake_stores,
    now,
    real_stores,
    record,
)
from stores import ValkeyServer
from vestry.embedded import DataDir
from vestry_registrar.live_store import RedisLiveStore
from vestry_service.live_records import Mark, mark_key, record_key
from vestry_signatures.errors import ReplayStoreUnavailable


async def test_an_older_version_never_replaces_a_newer_one(stores: Stores) -> None:
    """What was read from Postgres earlier and comes later is refused."""
    await stores.live.write([record(2, state="revoked")])
    await stores.live.write([record(1)])
    assert await stores.replay.look(ALICE) == record(2, state="revoked")


async def test_each_key_is_judged_by_itself(stores: Stores) -> None:
    """Of an agent's records those that are newer are written, also beside one that is not."""
    await stores.live.write([record(9)])
    await stores.live.write([record(8), record(8, kid=BOB)])
    assert await stores.replay.look(ALICE) == record(9)
    assert await stores.replay.look(BOB) == record(8, kid=BOB)


async def test_versions_are_numbers(stores: Stores) -> None:
    """Version 10 is newer than version 9."""
    await stores.live.write([record(9)])
    await stores.live.write([record(10)])
    assert await stores.replay.look(ALICE) == record(10)


async def test_two_hundred_in_any_order_end_at_the_newest(stores: Stores) -> None:
    """However writes overtake one another, the newest is what stays."""
    versions = list(range(1, 201))
    random.Random(7).shuffle(versions)
    await asyncio.gather(*(stores.live.write([record(version)]) for version in versions))
    assert await stores.replay.look(ALICE) == record(200)


async def test_nothing_to_write(stores: Stores) -> None:
    """An agent without a key is no error."""
    await stores.live.write([])


async def test_a_write_of_the_past_leaves_nothing(stores: Stores) -> None:
    """A record lives from when it was read, so one that comes too late cannot follow a newer one that has expired."""
    await stores.live.write([record()], read_at=now() - KEY_RECORD_TTL)
    assert await stores.replay.look(ALICE) is None
    await stores.live.write([record()], read_at=now() - KEY_RECORD_TTL + 30)
    assert await stores.replay.look(ALICE) == record()


async def test_the_same_version_again_lives_longer() -> None:
    """A record that is asked for again and again stays, and ends KEY_RECORD_TTL after it was last read."""
    times = [1000.0]
    stores = fake_stores(lambda: times[0])
    for times[0] in (1000.0, 1200.0, 1400.0):
        await stores.live.write([record()])
    times[0] = 1699.0
    assert await stores.replay.look(ALICE) == record()
    times[0] = 1700.0
    assert await stores.replay.look(ALICE) is None


async def test_the_same_version_again_lives_longer_in_valkey(valkey: ValkeyServer) -> None:
    """The real store gives an equal version the new end too."""
    async with real_stores(valkey) as stores:
        await stores.live.write([record()], read_at=now() - 200)
        await stores.live.write([record()])
    with Redis.from_url(valkey.url) as client:
        assert KEY_RECORD_TTL - 5 <= client.ttl(record_key(ALICE)) <= KEY_RECORD_TTL


async def test_marks(stores: Stores) -> None:
    """The mark is what all 4096 places say, and a later one replaces it everywhere."""
    assert await stores.live.marks() is None
    for mark in (Mark(0, "one", 60), Mark(1770247189, "two", 60)):
        await stores.live.set_marks(mark)
        assert await stores.live.marks() == mark


@pytest.mark.parametrize("tag", ["AA", "Jr", "__"])
@pytest.mark.parametrize("other", [b"1 one", b"damaged"])
async def test_one_mark_that_differs_is_seen(stores: Stores, tag: str, other: bytes) -> None:
    """A single place that says something else makes the registrar write them all anew."""
    await stores.live.set_marks(Mark(0, "one", 60))
    stores.server.put(mark_key(tag), other)
    assert await stores.live.marks() is None


async def test_marks_nobody_can_read(stores: Stores) -> None:
    """Marks that all agree on something unreadable are no mark."""
    await stores.live.set_marks(Mark(0, "one two", 60))
    assert await stores.live.marks() is None


async def test_forgotten(single: Stores) -> None:
    """A flushed server has neither marks nor pulse."""
    await single.live.set_marks(Mark(0, "one", 60))
    await single.live.beat(5, await single.run_id())
    single.server.forget()
    assert await single.live.marks() is None
    assert (await single.live.server()).pulse == 0


async def test_the_pulse_only_rises(single: Stores) -> None:
    """A beat that comes late does not make the server look as if it had lost some."""
    assert (await single.live.server()).pulse == 0
    for beat, pulse in ((1, 1), (10, 10), (9, 10), (11, 11)):
        await single.live.beat(beat, await single.run_id())
        assert (await single.live.server()).pulse == pulse


async def test_what_a_server_says_of_itself(single: Stores) -> None:
    """A server as vestry wants it: alone, with an append-only file, and never evicting."""
    facts = await single.live.server()
    assert len(facts.run_id) == 40
    assert facts[1:7] == ("master", True, "noeviction", False, True, 0)
    assert abs(facts.now - time.time()) < 1


@pytest.mark.parametrize("whole", [True, False])
async def test_a_restart_is_told_by_run_id_and_pulse(single: Stores, whole: bool) -> None:
    """A restart shows in the run id; whether memory was lost shows in the pulse. Neither looks like a promotion."""
    await single.live.beat(7, await single.run_id())
    before = await single.live.server()
    await single.restart(whole=whole)
    after = await single.live.server()
    assert after.run_id != before.run_id
    assert after[1:7] == (*before[1:6], 7 if whole else 0)


async def test_a_beat_for_the_server_before(single: Stores) -> None:
    """A server that was restarted since is not given the pulse of the one before: its loss would be hidden."""
    before = await single.run_id()
    await single.live.beat(3, before)
    await single.restart(whole=False)
    with pytest.raises(ReplayStoreUnavailable):
        await single.live.beat(4, before)
    assert (await single.live.server()).pulse == 0


async def test_away(single: Stores) -> None:
    """Whatever cannot be said to the store is told to the caller, and works again afterwards."""
    run_id = await single.run_id()
    single.server.fail()
    outcomes = await asyncio.gather(
        single.live.write([record()]),
        single.live.marks(),
        return_exceptions=True,
    )
    for failing in (
        single.live.set_marks(Mark(0, "one", 60)),
        single.live.beat(1, run_id),
        single.live.server(),
    ):
        outcomes += await asyncio.gather(failing, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ReplayStoreUnavailable] * 5
    single.server.heal()
    await single.live.write([record(2)])
    assert await single.replay.look(ALICE) == record(2)


async def test_a_late_write_cannot_pass_a_newer_one(own_valkey: ValkeyServer) -> None:
    """A paused server carries out later what was told to have failed; in whatever order, the newest stays."""
    async with real_stores(own_valkey) as stores:
        await stores.live.write([record(1)])
        stores.server.fail()
        for version in (2, 3):
            with pytest.raises(ReplayStoreUnavailable):
                await stores.live.write([record(version)])
        stores.server.heal()
        await stores.live.write([record(1)])
        assert (await stores.replay.look(ALICE)) in (record(2), record(3))
        await stores.live.write([record(3)])
        assert await stores.replay.look(ALICE) == record(3)


async def test_a_write_later_than_its_end_leaves_nothing(own_valkey: ValkeyServer) -> None:
    """A write that a paused server carries out when the record's end has come cannot bring a key back to life."""
    live = RedisLiveStore(own_valkey.url, 1, now)
    [server] = await live.servers()
    run_id = (await server.server()).run_id
    await live.write([record(1, kid=BOB)])
    own_valkey.pause()
    with pytest.raises(ReplayStoreUnavailable):
        await live.write([record(1)])
    await asyncio.sleep(1.1)
    own_valkey.resume()
    await server.beat(1, run_id)
    await live.aclose()
    assert RealServer(own_valkey).get(record_key(ALICE)) is None
    assert b"cmdstat_set:calls=3" in info(own_valkey, "commandstats")  # Bob's, the late one, the pulse


async def test_a_promoted_server_is_told_apart(own_valkey: ValkeyServer) -> None:
    """A server that was a replica once may lack nonces, and says so; while it is one it is not spoken to."""
    async with real_stores(own_valkey) as stores:
        run_id = await stores.run_id()
        assert not (await stores.live.server()).promoted
        own_valkey.command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(ReplayStoreUnavailable):
            await stores.live.beat(1, run_id)
        with pytest.raises(ReplayStoreUnavailable) as refusal:
            await stores.live.server()
        assert "replica" in str(refusal.value.__cause__)
        own_valkey.command("REPLICAOF", "NO", "ONE")
        assert (await stores.live.server()).promoted


async def test_other_ways_to_run_a_server_are_seen(tmp_path: Path) -> None:
    """No append-only file and another eviction policy are what the registrar is told about."""
    with DataDir(tmp_path) as data_dir:
        valkey = ValkeyServer(data_dir, settings={"appendonly": "no", "maxmemory-policy": "allkeys-lru"})
        valkey.start()
        try:
            async with real_stores(valkey) as stores:
                facts = await stores.live.server()
        finally:
            valkey.stop()
    assert (facts.aof_enabled, facts.maxmemory_policy) == (False, "allkeys-lru")


async def test_looking_at_all_marks_is_cheap(valkey: ValkeyServer) -> None:
    """Once a second is often: the look at 4096 marks keeps the server for about a millisecond, by its own count."""
    async with real_stores(valkey) as stores:
        await stores.live.set_marks(Mark(1770247189, "c" * 40, 60))
        await stores.live.marks()
        valkey.command("CONFIG", "RESETSTAT")
        for _ in range(20):
            await stores.live.marks()
    stats = info(valkey, "commandstats").partition(b"cmdstat_evalsha:")[2]
    assert float(stats.partition(b"usec_per_call=")[2].partition(b",")[0]) < 5000


def info(valkey: ValkeyServer, section: str) -> bytes:
    return valkey.command("INFO", section)
