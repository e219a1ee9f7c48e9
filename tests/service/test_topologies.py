"""What is promised of Redis behind Sentinels, in a Cluster and with replicas, beyond the common contract."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import cast

import pytest

from replay_stores import ALICE, BOB, CLOCK_SKEW, Stores, claim, now, real_stores, record
from service_log import Log
from services import until
from topologies import Cluster, Watched, wait_for
from vestry_registrar.live_store import RedisLiveStore
from vestry_service.errors import StartError
from vestry_service.live_records import TAGS, Mark, mark_key, nonce_key
from vestry_service.redis import connect, require_noeviction
from vestry_service.replay import Claim
from vestry_service.replay_redis import RedisReplayStore
from vestry_service.store.slots import SlotMap, View, read_view, slot_of
from vestry_service.store.url import Address
from vestry_signatures.errors import ReplayStoreUnavailable

KIDS = [tag + ALICE[2:] for tag in TAGS[::64]]


async def fresh(stores: Stores, one: Claim) -> bool:
    [answer] = await stores.replay.spend([one], now())
    return answer.fresh


async def refusal(url: str) -> str:
    """Return why a store at this URL is not available, in the words meant for its operator."""
    store = RedisReplayStore(url, CLOCK_SKEW)
    with pytest.raises(ReplayStoreUnavailable) as refused:
        await store.spend([claim()], now())
    await store.aclose()
    return str(refused.value.__cause__)


# Sentinels


class Naming(asyncio.Protocol):
    """A Sentinel that names one port, or says nothing at all."""

    def __init__(self, port: int | None) -> None:
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, _data: bytes) -> None:
        if self._port is not None:
            port = str(self._port).encode()
            self._transport.write(b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%b\r\n" % (len(port), port))


@asynccontextmanager
async def sentinels(*named: int | None) -> AsyncIterator[str]:
    """Sentinels that name these ports of the loopback; None: one that says nothing at all."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(partial(Naming, port), "127.0.0.1", 0) for port in named]
    hosts = ",".join(f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers)
    yield f"redis+sentinel://{hosts}/vestry"
    for server in servers:
        server.close()


async def test_what_one_sentinel_says_alone_counts_for_nothing(watched: Watched) -> None:
    """One that has not heard of a promotion, or is cut off with the old primary, is outvoted."""
    right, wrong = watched.primary.port, 1
    for named in ((wrong, right, right), (right, wrong, right), (None, right, right)):
        async with sentinels(*named) as url, real_stores(watched.primary, url) as stores:
            assert await fresh(stores, claim())


@pytest.mark.parametrize("others", [(1, 2), (None, None), (1, None)])
async def test_no_majority_no_primary(watched: Watched, others: tuple[int | None, int | None]) -> None:
    """Where more than half are silent, or they differ, nobody is asked, and it takes 250 ms at most."""
    async with sentinels(watched.primary.port, *others) as url:
        begun = time.monotonic()
        await refusal(url)
        assert time.monotonic() - begun < 0.4


async def test_a_primary_nobody_knows(watched: Watched) -> None:
    """A wrong name is told to the operator."""
    assert "no primary named other" in await refusal(watched.url.replace("/vestry", "/other"))


async def test_sentinels_have_a_password_of_their_own(own_watched: Watched) -> None:
    """`sentinel_password` is said to Sentinels, the URL's own to the servers."""
    own_watched.primary.ask("ACL", "SETUSER", "app", "on", ">ours", "~*", "+@all")
    sentinel = own_watched.sentinels[0]
    sentinel.ask("ACL", "SETUSER", "asker", "on", ">theirs", "-@all", "+sentinel|get-master-addr-by-name")
    sentinel.ask("ACL", "SETUSER", "default", "off")
    url = own_watched.url.replace("://", "://app:ours@")
    asker = "sentinel_user=asker&sentinel_password"
    async with real_stores(own_watched.primary, f"{url}?{asker}=theirs") as stores:
        assert (await stores.replay.spend([claim()], now()))[0].fresh
    assert "WRONGPASS" in await refusal(f"{url}?{asker}=ours")
    assert "NOAUTH" in await refusal(url)


# Replicas first


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
    assert "replicas hold" in await refusal_with_replicas(primary.url, 2)


async def refusal_with_replicas(url: str, replicas: int) -> str:
    store = RedisReplayStore(url, CLOCK_SKEW, replicas)
    with pytest.raises(ReplayStoreUnavailable) as refused:
        await store.spend([claim()], now())
    await store.aclose()
    return str(refused.value.__cause__)


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


# A Cluster


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


# Who holds which slot


@pytest.mark.parametrize(
    ("key", "slot"),
    [(b"123456789", 12739), (b"{user1000}.following", 3443), (b"foo", 12182), (b"a{}b", 12095)],
)
def test_slots(key: bytes, slot: int, cluster: Cluster) -> None:
    """As the servers reckon them (CRC-16/XMODEM of the hash tag)."""
    assert slot_of(key) == cluster.slot(key)
    if key != b"a{}b":
        assert slot_of(key) == slot


A, B, OLD = "a" * 40, "b" * 40, "o" * 40


def view(*lines: str) -> View:
    return read_view("\n".join(lines), Address("asked", 1), tls=False)


def line(node: str, epoch: int, slots: str, flags: str = "master", where: str = "10.0.0.1:7000@17000") -> str:
    return f"{node} {where} {flags} - 0 1700000000000 {epoch} connected {slots}".rstrip()


def test_the_greater_epoch_is_right() -> None:
    """A node that slept through a promotion claims its slots still; one view that knows better is enough."""
    stale = view(
        line(OLD, 1, "0-8191", "myself,master"), line(B, 2, "8192-16383", where="10.0.0.2:7000@17000")
    )
    new = view(line(A, 5, "0-8191", where="10.0.0.3:7000@17000"), line(B, 2, "8192-16383", "myself,master"))
    for views in ([stale, new], [new, stale]):
        slots = SlotMap(views)
        assert (slots.owner(0), slots.owner(16383)) == (A, B)
        assert slots.addresses.keys() == {A, B}
        assert not slots.is_majority([OLD, B])
        assert slots.is_majority([A, B])


def test_a_view_is_read() -> None:
    """Ranges, single slots, slots on their way, replicas, and a node that does not know its own address."""
    seen = view(
        line(A, 3, "0-5 7 [8->-" + B + "] [9-<-" + B + "]", "myself,master", ":7000@17000"),
        line(B, 4, "", "slave"),
        line(OLD, 1, "100", "master,fail", "[::1]:7002@17002,host.example"),
    )
    assert seen.myself == A
    claims = {each.node: each for each in seen.claims}
    assert claims[A].slots == ((0, 5), (7, 7))
    assert claims[A].address == Address("asked", 7000)
    assert claims[OLD].address == Address("::1", 7002)
    assert B not in claims
