"""What the replay store on a real Valkey promises beyond the common contract: batches, connections, attacks."""

import asyncio
import datetime
import gc
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis import Redis

from redis_rights import redis_rights
from replay_stores import ALICE, BOB, CLOCK_SKEW, Stores, claim, now, real_stores, record, wire_to
from services import until
from stores import ValkeyServer
from vestry.embedded import DataDir
from vestry_service.live_records import Mark, nonce_key
from vestry_service.replay import Claim
from vestry_service.replay_bound import Bound
from vestry_service.replay_redis import RedisReplayStore
from vestry_service.store.calls import Call
from vestry_signatures.errors import ReplayStoreUnavailable


@pytest.fixture
async def stores(valkey: ValkeyServer) -> AsyncIterator[Stores]:
    async with real_stores(valkey) as real:
        yield real


async def fresh(store: RedisReplayStore | Stores, one: Claim) -> bool:
    replay = store.replay if isinstance(store, Stores) else store
    [answer] = await replay.spend([one], now())
    return answer.fresh


def scripts_run(valkey: ValkeyServer) -> int:
    with Redis.from_url(valkey.url) as client:
        stats = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))


async def refusal(url: str) -> str:
    """Return why a store at this URL is not available, in the words meant for its operator."""
    store = RedisReplayStore(url, CLOCK_SKEW)
    with pytest.raises(ReplayStoreUnavailable) as refused:
        await store.spend([claim()], now())
    await store.aclose()
    return str(refused.value.__cause__)


async def test_one_script_for_all_of_a_turn(stores: Stores, valkey: ValkeyServer) -> None:
    """A hundred callers of one loop turn cost the server one call."""
    await fresh(stores, claim())
    before = scripts_run(valkey)
    spends = [stores.replay.spend([claim()], now()) for _ in range(98)]
    answers = await asyncio.gather(*spends, stores.replay.look(ALICE), stores.replay.recheck([claim()]))
    assert len(answers) == 100
    assert scripts_run(valkey) - before == 1


async def test_batches_are_bounded(stores: Stores, valkey: ValkeyServer) -> None:
    """Six hundred callers at once do not keep the server from everybody else: 256 claims a call."""
    await fresh(stores, claim())
    before = scripts_run(valkey)
    assert all(await asyncio.gather(*(fresh(stores, claim()) for _ in range(600))))
    assert scripts_run(valkey) - before == 3


async def test_more_batches_than_connections(stores: Stores) -> None:
    """Claims beyond what all connections carry at once wait for their turn, and are all answered rightly."""
    groups = [[claim() for _ in range(128)] for _ in range(6)]
    answers = await asyncio.gather(*(stores.replay.spend(group, now()) for group in (*groups, *groups)))
    firsts, seconds = answers[:6], answers[6:]  # in whichever order their batches came to the server
    pairs = [
        (a.fresh, b.fresh)
        for one, two in zip(firsts, seconds, strict=True)
        for a, b in zip(one, two, strict=True)
    ]
    assert len(pairs) == 6 * 128
    assert all(first != second for first, second in pairs)


async def test_a_flushed_script_burns_no_nonce(stores: Stores, valkey: ValkeyServer) -> None:
    """A server that forgot the script is given it again; the honest claim that met it is still the first."""
    assert await fresh(stores, claim())
    valkey.command("SCRIPT", "FLUSH")
    one = claim()
    assert await fresh(stores, one)
    assert not await fresh(stores, one)


async def test_a_restarted_server_burns_no_nonce(own_valkey: ValkeyServer) -> None:
    """The first claim after a restart finds a dead connection and no script, and is fresh all the same."""
    async with real_stores(own_valkey) as stores:
        assert await fresh(stores, claim())
        await stores.restart(whole=True)
        assert await fresh(stores, claim())


async def test_paused(own_valkey: ValkeyServer) -> None:
    """A store that stands still is a 503 within 250 ms; what it does later meets no other caller's claim."""
    async with real_stores(own_valkey) as stores:
        await stores.live.write([record(kid=BOB)])
        assert await fresh(stores, claim())
        own_valkey.pause()
        started = time.monotonic()
        late = claim()
        outcomes = await asyncio.gather(
            *(fresh(stores, one) for one in (late, claim())), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [ReplayStoreUnavailable] * 2
        assert 0.2 < time.monotonic() - started < 0.35
        await asyncio.sleep(0.05)
        own_valkey.resume()
        [answer] = await stores.replay.spend([claim(BOB)], now())
        assert (answer.fresh, answer.record) == (True, record(kid=BOB))
        assert not await fresh(stores, late)  # it was spent after all: unknown was the right word


async def test_claims_that_wait_for_a_connection_give_up_in_time(own_valkey: ValkeyServer) -> None:
    """However many batches pile up before a store that stands still, nobody waits longer than 250 ms."""
    async with real_stores(own_valkey) as stores:
        own_valkey.pause()
        started = time.monotonic()
        spends = [stores.replay.spend([claim()], now()) for _ in range(256 * 6)]
        outcomes = await asyncio.gather(*spends, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ReplayStoreUnavailable}
        assert time.monotonic() - started < 1  # six trips of 250 ms, one after the other, would be more
        own_valkey.resume()

        async def goes_on() -> bool:
            with suppress(ReplayStoreUnavailable):  # at first it has all that to catch up with
                return await fresh(stores, claim())
            return False

        await until(goes_on)


async def test_a_lost_answer_is_not_asked_for_again(valkey: ValkeyServer) -> None:
    """A claim whose answer is lost was sent once: no honest caller looks like a thief."""
    async with wire_to(valkey) as wire:
        store = RedisReplayStore(wire.url, CLOCK_SKEW)
        await store.look(ALICE)
        await store.look(ALICE)
        one, before = claim(), wire.calls
        wire.lose_replies = True
        with pytest.raises(ReplayStoreUnavailable):
            await store.spend([one], now())
        assert wire.calls - before == 1
        wire.lose_replies = False
        assert not await fresh(store, one)
        assert await fresh(store, claim())
        await store.aclose()


async def test_nobody_there() -> None:
    """Without a server the answer is a 503 at once."""
    started = time.monotonic()
    assert "socket" in await refusal("unix:///nowhere/socket")
    assert time.monotonic() - started < 0.2


async def test_a_cancelled_caller_leaves_the_others_alone(stores: Stores) -> None:
    """Of a batch whose callers hang up one by one, whoever stays is answered; the others' nonces are spent."""
    claims = [claim() for _ in range(20)]
    tasks = [asyncio.create_task(fresh(stores, one)) for one in claims]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[::2]] == [asyncio.CancelledError] * 10
    assert outcomes[1::2] == [True] * 10
    assert not await fresh(stores, claims[0])


async def test_the_run_id_is_of_the_connection_that_answered(own_valkey: ValkeyServer) -> None:
    """Many connections, a restart in between: no answer of the new server is judged by the old run id."""

    async def remembered() -> set[bool]:
        groups = ([claim() for _ in range(200)] for _ in range(8))
        answers = await asyncio.gather(*(stores.replay.spend(group, now()) for group in groups))
        return {answer.remembered for group in answers for answer in group}

    async with real_stores(own_valkey) as stores:
        await stores.live.set_marks(Mark(0, await stores.run_id(), 60))
        assert await remembered() == {True}
        await stores.restart(whole=True)
        assert [await remembered() for _ in range(3)] == [{False}] * 3


async def test_a_fault_of_our_own_is_not_silent(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug under way leaves no caller waiting, and does not hide behind the 503 either."""

    def stumble(*_: object) -> None:
        raise ZeroDivisionError

    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))
    with monkeypatch.context() as patched:
        patched.setattr(Call, "settle", stumble)
        with pytest.raises(ReplayStoreUnavailable):
            await stores.replay.spend([claim()], now())
    await asyncio.sleep(0)
    gc.collect()  # asyncio tells of a task's error when nobody can ask for it any more
    assert [type(fault) for fault in faults] == [ZeroDivisionError]
    assert await fresh(stores, claim())


async def test_killed_under_way(own_valkey: ValkeyServer) -> None:
    """Claims under way when the server dies are a 503, never a replay, and never answered by guess."""
    async with real_stores(own_valkey) as stores:
        assert await fresh(stores, claim())
        own_valkey.pause()
        spends = [asyncio.create_task(fresh(stores, claim())) for _ in range(40)]
        await asyncio.sleep(0.02)
        own_valkey.kill()
        outcomes = await asyncio.gather(*spends, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ReplayStoreUnavailable}
        own_valkey.start()
        assert await fresh(stores, claim())


async def test_without_info_nothing_passes(valkey: ValkeyServer) -> None:
    """An account that may not use INFO cannot see a restart: refused, and its operator is told why."""
    valkey.command("ACL", "SETUSER", "blind", "on", ">secret", "~*", "+@all", "-info")
    path = valkey.url.removeprefix("unix://")
    try:
        assert "INFO" in await refusal(f"unix://blind:secret@{path}")
        assert "invalid username" in await refusal(f"unix://blind:wrong@{path}")
    finally:
        valkey.command("ACL", "DELUSER", "blind")


async def test_the_fewest_rights_suffice(valkey: ValkeyServer) -> None:
    """The verifier's account spends nonces, bounded or not, with the rights that the document gives it."""
    assert valkey.command(*redis_rights("verifier")) == b"+OK\r\n"
    store = RedisReplayStore(f"unix://verifier:secret@{valkey.url.removeprefix('unix://')}", CLOCK_SKEW)
    try:
        assert await fresh(store, claim())
        assert await fresh(store, claim(bound=Bound(1000)))
    finally:
        await store.aclose()
        valkey.command("ACL", "DELUSER", "verifier")


async def test_a_replica_is_refused(own_valkey: ValkeyServer) -> None:
    """A replica would answer from the past: refused when connecting, and when the primary becomes one."""
    async with real_stores(own_valkey) as stores:
        assert await fresh(stores, claim())
        own_valkey.command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(ReplayStoreUnavailable):
            await stores.replay.spend([claim()], now())
        with pytest.raises(ReplayStoreUnavailable) as refused:
            await stores.replay.look(ALICE)
        assert "replica" in str(refused.value.__cause__)


async def test_a_node_of_a_cluster_is_refused(tmp_path: Path) -> None:
    """A Cluster under a plain redis:// address is named for what it is, at the first question."""
    with DataDir(tmp_path) as data_dir:
        node = ValkeyServer(data_dir, settings={"cluster-enabled": "yes", "port": "0"})
        node.start()
        try:
            assert "Cluster" in await refusal(node.url)
        finally:
            node.stop()


async def test_a_full_server_passes_nothing(own_valkey: ValkeyServer) -> None:
    """A server without room for a nonce, which never evicts, is a 503 for every claim."""
    async with real_stores(own_valkey) as stores:
        assert await fresh(stores, claim())
        own_valkey.command("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(ReplayStoreUnavailable):
            await stores.replay.spend([claim()], now())
        own_valkey.command("CONFIG", "SET", "maxmemory", "0")
        assert await fresh(stores, claim())


async def test_a_nonce_is_small(stores: Stores, valkey: ValkeyServer) -> None:
    """What an attacker with a valid key can make the store hold: at most 113 bytes a signature."""
    one = claim()
    await stores.replay.spend([one], now())
    with Redis.from_url(valkey.url) as client:
        assert client.memory_usage(nonce_key(one.kid, one.digest)) <= 113


async def test_after_closing_nothing_is_asked(valkey: ValkeyServer) -> None:
    """What is under way when a store is closed arrives; what comes later is a 503."""
    store = RedisReplayStore(valkey.url, CLOCK_SKEW)
    spending = asyncio.create_task(fresh(store, claim()))
    await asyncio.sleep(0)
    await store.aclose()
    assert await spending
    with pytest.raises(ReplayStoreUnavailable):
        await store.look(ALICE)


@pytest.mark.parametrize(
    "url",
    ["http://localhost", "redis+sentinel://localhost", "localhost:6379", "", "redis://h?retry_on_timeout=1"],
)
def test_other_urls_are_refused(url: str) -> None:
    """What is not spoken here is said at the start, not at the first request."""
    with pytest.raises(ValueError, match="URL"):
        RedisReplayStore(url, CLOCK_SKEW)


async def test_tls(valkey: ValkeyServer, tmp_path: Path) -> None:
    """Over rediss:// the server's certificate is checked, and the whole trip stays within its 250 ms."""
    certificate = tmp_path / "certificate.pem"
    async with wire_to(valkey, tls=server_context(certificate)) as wire:
        store = RedisReplayStore(f"{wire.url}?ssl_ca_certs={certificate}", CLOCK_SKEW)
        one = claim()
        assert await fresh(store, one)
        assert not await fresh(store, one)
        await store.aclose()
        assert "certificate" in await refusal(wire.url)


def server_context(path: Path) -> ssl.SSLContext:
    """Make a certificate for 127.0.0.1 at `path` and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = path.with_suffix(".key")
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, private)
    return context
