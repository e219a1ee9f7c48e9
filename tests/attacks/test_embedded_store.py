"""Attacks on the embedded store's memory: what was used just before it was killed."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis

from services import running, until
from vestry.embedded import DataDir, Valkey


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Valkey]:
    """The store of `vestry up`."""
    with DataDir(tmp_path / "data") as data_dir:
        store = Valkey(data_dir)
        store.start()
        yield store
        store.stop()


async def test_replay_what_a_killed_embedded_store_lost(store: Valkey, database_url: str) -> None:
    """Killed under load it may have lost any nonce: whatever was signed before is 503, new requests pass soon."""
    with running(database_url, store.url, CLOCK_SKEW="1") as services:
        agent = await services.agent()
        used: list[dict[str, str]] = []

        async def load() -> None:
            with suppress(asyncio.CancelledError):
                while True:
                    signed = agent.sign()
                    if (await services.verify(signed)).status == 200:
                        used.append(signed)

        loading = asyncio.create_task(load())
        await asyncio.sleep(1.5)
        store.kill()
        store.start()
        loading.cancel()
        await loading
        with Redis.from_url(store.url) as client:  # the worst that can be lost
            client.delete(*client.scan_iter("n{*", count=10_000))

        async def passes() -> bool:
            return (await services.verify(agent.sign())).status == 200

        verdicts = {(await services.verify(signed)).verdict for signed in used}
        await until(passes)
        later = {(await services.verify(signed)).status for signed in used}
        assert len(used) > 10
        assert verdicts == {(503, "REPLAY_STORE_UNAVAILABLE")}
        assert later == {401}  # the 503 was told after the nonce was spent anew


async def test_an_orderly_stop_forgets_nothing(store: Valkey, database_url: str) -> None:
    """What was used before is a replay, and there is no pause, even if whoever started it is gone meanwhile."""
    with running(database_url, store.url) as services:
        agent = await services.agent()
        signed = agent.sign()
        assert (await services.verify(signed)).status == 200
        store.stop()
        store.start()

        async def goes_on() -> bool:
            return (await services.verify(agent.sign())).status == 200

        await until(goes_on)
        assert (await services.verify(signed)).verdict == (401, "REPLAYED_NONCE")


def test_a_doubt_outlives_a_start_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed, started, and stopped in order before the doubt was told of: it is told of at the next start."""
    with DataDir(tmp_path) as data_dir:
        store = Valkey(data_dir)
        store.start()
        store.kill()
        with monkeypatch.context() as broken:
            broken.setattr(Valkey, "_spoil_marks", lambda self: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                store.start()
        store.command("SET", "g{AA}", "mark")
        store.stop()
        store.start()
        assert store.command("EXISTS", "g{AA}") == b":0\r\n"
        store.command("SET", "g{AA}", "mark")
        store.stop()
        store.start()
        assert store.command("EXISTS", "g{AA}") == b":1\r\n"
        store.stop()
