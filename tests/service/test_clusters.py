"""What is promised of a Redis Cluster, beyond the common contract."""

import asyncio
import time

import pytest

from replay_questions import fresh, refusal
from replay_stores import ALICE, BOB, CLOCK_SKEW, claim, now, real_stores, record
from service_log import Log
from topologies import Cluster, Watched, wait_for
from vestry_registrar.live_store import RedisLiveStore
from vestry_service.errors import StartError
from vestry_service.live_records import TAGS, Mark, mark_key, nonce_key
from vestry_service.redis import connect, require_noeviction
from vestry_signatures.errors import ReplayStoreUnavailable

KIDS = [tag + ALICE[2:] for tag in TAGS[::64]]


async def test_one_caller_with_keys_on_all_nodes(cluster: Cluster) -> None:
    """Claims of one request are answered in their order, wherever their nonces are kept."""
    async with real_stores(cluster) as stores:
        await stores.live.write([record(kid=kid) for kid in KIDS])
        claims = [claim(kid) for kid in KIDS]
        for expected in (True, False):
            answers = await stores.replay.spend(claims, now())
            assert [answer.fresh for answer in answers] == [expected] * len(KIDS)
            assert [answer.record for answer in answers] == [record(kid=kid) for kid in KIDS]
    owners = {cluster.owner(mark_key(kid)).port for kid in KIDS}
    assert len(owners) == 3


async def test_a_node_that_hangs_holds_up_nobody_elses(cluster: Cluster) -> None:
    """A third of the kids are a 503 within 250 ms, and the others are answered at once meanwhile."""
    hung = cluster.primaries[0]
    ours = [kid for kid in KIDS if cluster.owner(mark_key(kid)) is hung]
    others = [kid for kid in KIDS if kid not in ours]
    async with real_stores(cluster) as stores:
        await asyncio.gather(*(fresh(stores, claim(kid)) for kid in KIDS))
        hung.pause()
        stuck = asyncio.gather(*(fresh(stores, claim(kid)) for kid in ours), return_exceptions=True)
        begun = time.monotonic()
        assert all(await asyncio.gather(*(fresh(stores, claim(kid)) for kid in others)))
        assert time.monotonic() - begun < 0.2
        assert {type(outcome) for outcome in await stuck} == {ReplayStoreUnavailable}
        assert time.monotonic() - begun < 0.4
        hung.resume()
        assert await fresh(stores, claim(ours[0]))


async def test_without_a_majority_of_the_nodes_nothing_passes(cluster: Cluster) -> None:
    """Two of three primaries are away: whoever is left may be cut off, so even its own slots are a 503."""
    async with real_stores(cluster) as stores:
        alive = next(kid for kid in KIDS if cluster.owner(mark_key(kid)) is cluster.primaries[2])
        assert await fresh(stores, claim(alive))
        for node in cluster.primaries[:2]:
            node.pause()
        await asyncio.sleep(2.6)
        with pytest.raises(ReplayStoreUnavailable):
            await fresh(stores, claim(alive))
        cluster.resume()
        await asyncio.sleep(0.6)
        assert await fresh(stores, claim(alive))


async def test_a_slot_that_has_moved_costs_nobody_a_503(cluster: Cluster) -> None:
    """`MOVED` says that nothing was done: the same claim goes to the right node, and is still the first."""
    slot, target = cluster.slot(mark_key(ALICE)), cluster.primaries[0]
    source = cluster.owner(mark_key(ALICE))
    assert source is not target
    ids = {node: node.ask("CLUSTER", "MYID") for node in (source, target)}
    async with real_stores(cluster) as stores:
        try:
            assert await fresh(stores, claim(BOB))
            for node in (target, source):
                node.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
            one = claim()
            assert await fresh(stores, one)
            assert not await fresh(stores, one)
            assert target.client().exists(nonce_key(one.kid, one.digest))
        finally:
            cluster.flush()
            source.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[target])
            for node in (source, target, *cluster.primaries):
                node.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[source])
            wait_for(lambda: all(cluster.owner(mark_key(ALICE)) is source for _ in range(3)))


async def test_replay_while_keys_are_between_two_nodes(cluster: Cluster) -> None:
    """With a part of a slot's keys here and a part there, a new claim is a 503 and a used one never passes."""
    slot, target = cluster.slot(mark_key(ALICE)), cluster.primaries[0]
    source = cluster.owner(mark_key(ALICE))
    ids = {node: node.ask("CLUSTER", "MYID") for node in (source, target)}
    async with real_stores(cluster) as stores:
        used = [claim() for _ in range(20)]
        await stores.replay.spend(used, now())
        await stores.live.set_marks(Mark(0, await stores.run_id(), CLOCK_SKEW))
        try:
            target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
            source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
            with source.raw_client() as client:
                while keys := client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 4):
                    client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 1000, "KEYS", *keys)
                    for one in (claim(), *used):
                        try:
                            [answer] = await stores.replay.spend([one], now())
                        except ReplayStoreUnavailable:
                            continue
                        assert not (answer.fresh and answer.remembered)
                        assert not (answer.fresh and one in used)
        finally:
            for node in (target, source):
                node.ask("CLUSTER", "SETSLOT", slot, "STABLE")
            cluster.flush()


async def test_what_a_node_says_of_its_marks(cluster: Cluster) -> None:
    """Its own marks count, whenever they begin; those of other servers are strays; a missing one is a loss."""
    live = RedisLiveStore(cluster.url, 300, time.time)
    nodes = await live.servers()
    assert [len({tag for tag in TAGS if node.holds(tag)}) > 1000 for node in nodes] == [True] * 3
    node = next(node for node in nodes if node.holds(ALICE))
    facts = await node.server()
    assert (facts.clustered, facts.standalone, facts.strays) == (True, False, 0)
    assert await node.marks() is None
    await node.set_marks(Mark(7, facts.run_id, 60))
    holder = cluster.owner(mark_key(ALICE)).client()
    holder.set(mark_key(ALICE), Mark(3, "another", 60).encode())
    facts = await node.server()
    assert (await node.marks(), facts.strays) == (Mark(7, facts.run_id, 60), 1)
    await node.set_marks(Mark(9, facts.run_id, 60), strays=True)
    assert holder.get(mark_key(ALICE)) == Mark(9, facts.run_id, 60).encode().decode()
    assert (await node.server()).strays == 0
    assert await node.marks() == Mark(7, facts.run_id, 60)
    holder.delete(mark_key(ALICE))
    await node.server()
    assert await node.marks() is None
    await live.aclose()


async def test_every_node_of_a_cluster_must_not_evict(cluster: Cluster, log: Log) -> None:
    """One of three is enough for a refusal, which names it."""
    async with connect(cluster.url) as redis:
        await redis.ping()
        await require_noeviction(redis, log.logger)
        wrong = cluster.primaries[1]
        wrong.ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
        try:
            with pytest.raises(StartError, match=rf"node {wrong.ask('CLUSTER', 'MYID')} is volatile-ttl"):
                await require_noeviction(redis, log.logger)
        finally:
            wrong.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_a_url_of_the_wrong_kind(cluster: Cluster, watched: Watched) -> None:
    """The operator is told what is there instead."""
    assert "Cluster" in await refusal(f"redis://127.0.0.1:{cluster.primaries[0].port}")
    assert "cluster support disabled" in await refusal(f"redis+cluster://127.0.0.1:{watched.primary.port}")
