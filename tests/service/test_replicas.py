"""What is promised where replicas must hold a nonce first, and of a server that was one."""

import asyncio
import time
from contextlib import suppress

from replay_questions import fresh, refusal
from replay_stores import ALICE, CLOCK_SKEW, claim, now, real_stores, record
from services import until
from topologies import Watched, wait_for
from vestry_service.live_records import Mark
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
