"""What is promised where replicas must hold a nonce first, and of a server that was one."""

import asyncio
import time
from contextlib import suppress

import pytest

from replay_questions import fresh, refusal
from replay_stores import ALICE, CLOCK_SKEW, claim, now, real_stores, record
from service_log import Log
from services import running, services_on, until
from topologies import Cluster, Watched, wait_for
from vestry_service.live_records import Mark
from vestry_service.redis import connect
from vestry_service.replicas import TOO_FEW, Replicas, TooFewReplicas, connected
from vestry_service.store.greeting import parse_info
from vestry_signatures.errors import ReplayStoreUnavailable


async def test_what_was_acknowledged_is_at_the_replica(own_pair: Watched) -> None:
    """Killed right after its answers, a primary takes nothing along: the replica holds every nonce and record."""
    primary, replica = own_pair.nodes
    async with real_stores(primary, replicas=1) as stores:
        claims = [claim() for _ in range(300)]
        answers = await asyncio.gather(*(stores.replay.spend([one], now()) for one in claims))
        assert all(answer.fresh for [answer] in answers)
        await stores.live.write([record(7, state="revoked")])
        primary.kill()
        replica.ask("REPLICAOF", "NO", "ONE")
    async with real_stores(replica) as stores:
        answers = await asyncio.gather(*(stores.replay.spend([one], now()) for one in claims))
        assert not any(answer.fresh for [answer] in answers)
        assert await stores.replay.look(ALICE) == record(7, state="revoked")


async def test_without_its_replica_nothing_counts(own_pair: Watched) -> None:
    """A nonce, or a record, that no replica has acknowledged is a 503 in 250 ms; then it goes on as before."""
    primary, replica = own_pair.nodes
    async with real_stores(primary, replicas=1) as stores:
        assert await fresh(stores, claim())
        replica.pause()
        begun = time.monotonic()
        outcomes = await asyncio.gather(
            fresh(stores, claim()), stores.live.write([record()]), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [ReplayStoreUnavailable] * 2
        assert time.monotonic() - begun < 0.4
        replica.resume()
        wait_for(lambda: primary.info("replication")["connected_slaves"] == 1)
        await asyncio.sleep(0.05)
        assert await fresh(stores, claim())
    assert "replicas hold" in await refusal(primary.url, 2)


async def test_a_promoted_server_has_another_name(own_pair: Watched) -> None:
    """One process that was a primary, a replica and a primary again lacks what it had: no old mark counts."""
    primary, other = own_pair.nodes
    async with real_stores(primary) as stores:
        before = await stores.run_id()
        await stores.live.set_marks(Mark(0, before, CLOCK_SKEW))
        assert (await stores.replay.spend([claim()], now()))[0].remembered
        other.ask("REPLICAOF", "NO", "ONE")
        primary.ask("REPLICAOF", "127.0.0.1", other.port)
        wait_for(lambda: primary.info("replication")["master_link_status"] == "up")
        primary.ask("REPLICAOF", "NO", "ONE")
        async with real_stores(primary) as new:
            assert not (await new.replay.spend([claim()], now()))[0].remembered
        after = await stores.run_id()
        assert after != before
        await stores.live.set_marks(Mark(0, after, CLOCK_SKEW))

        async def is_known_by_its_new_name() -> bool:
            with suppress(ReplayStoreUnavailable):
                return (await stores.replay.spend([claim()], now()))[0].remembered
            return False

        await until(is_known_by_its_new_name)


async def test_too_few_replicas_are_said_at_the_start(own_pair: Watched, database_url: str) -> None:
    """Each service warns with what there is and what is wanted, and is not ready; with enough it says nothing."""
    with running(database_url, own_pair.primary.url, NONCE_REPLICAS="2") as services:
        for service in (services.registrar, services.verifier):
            [line] = service.lines(TOO_FEW)
            assert (line["level"], line["connected"], line["wanted"]) == ("warning", 1, 2)
            answer = await service.ready()
            told = answer.json["checks"]["replicas"]
            assert (answer.status, told["status"], told["reason"]) == (503, "failed", "TooFewReplicas")
        with services.another_verifier(NONCE_REPLICAS="1") as other:
            assert other.lines(TOO_FEW) == []
            assert (await other.ready()).status == 200


async def test_readiness_follows_the_replicas(own_pair: Watched, database_url: str) -> None:
    """A verifier whose replica goes away is not ready until there is one again."""
    primary, replica = own_pair.nodes
    with services_on(database_url, primary.url) as services:
        verifier = services.add_verifier(NONCE_REPLICAS="1")
        assert "replicas" not in await verifier.failing()
        replica.ask("REPLICAOF", "NO", "ONE")

        async def is_missed() -> bool:
            return "replicas" in await verifier.failing()

        async def is_there() -> bool:
            return not await is_missed()

        await until(is_missed)
        replica.ask("REPLICAOF", "127.0.0.1", primary.port)
        await until(is_there)


async def test_nobody_asks_for_replicas_that_are_not_wanted(own_pair: Watched, database_url: str) -> None:
    """Without NONCE_REPLICAS there is no such check."""
    with services_on(database_url, own_pair.primary.url) as services:
        assert "replicas" not in (await services.add_verifier().ready()).json["checks"]


async def test_of_a_cluster_every_primary_is_looked_at(cluster: Cluster, log: Log) -> None:
    """Each that has too few is named; only where none has enough can nothing be verified."""
    async with connect(cluster.url) as redis:
        await Replicas(redis, 1).warn(log.logger)
        with pytest.raises(TooFewReplicas):
            await Replicas(redis, 1).ready()
    await asyncio.sleep(0)  # lines are written at the end of a turn
    named = {f"node {node.ask('CLUSTER', 'MYID')}" for node in cluster.primaries}
    assert {line["server"] for line in log.lines} == named


@pytest.mark.parametrize(
    ("told", "count"),
    [
        (b"role:master\r\nconnected_slaves:0\r\n", 0),
        (
            b"slave0:ip=::1,port=7,state=online,offset=9,lag=0\r\nslave1:ip=h,port=8,state=online,offset=9,lag=10",
            2,
        ),
        (b"slave0:ip=h,port=7,state=online,offset=9,lag=11", 0),
        (b"slave0:ip=h,port=7,state=wait_bgsave,offset=0,lag=0", 0),
        (b"slave0:ip=h,port=7,state=online\r\nslave_read_only:1\r\nslave1:", 0),
    ],
)
def test_which_replicas_count(told: bytes, count: int) -> None:
    """Those that are up to date and were heard of lately, as the primary says."""
    assert connected(parse_info(told)) == count
