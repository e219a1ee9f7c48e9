"""Directories in Redis: one fetcher at a time, and no answer that comes late brings back what was removed."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis import Redis

from stores import ValkeyServer
from topologies import Cluster
from vestry_signatures import generate
from vestry_signatures.errors import ReplayStoreUnavailable
from vestry_verifier.foreign.document import Document
from vestry_verifier.foreign.jwks import ForeignKey
from vestry_verifier.foreign.store import LEASE, RedisDocuments, _keys

URL = "https://bot.example/.well-known/http-message-signatures-directory"
NOW = 1_000_000.0


def known(started: float, *keys: ForeignKey) -> Document:
    return Document(started, NOW + 60, 60, 3600, '"e"', keys)


@pytest.fixture
async def documents(valkey: ValkeyServer) -> AsyncIterator[RedisDocuments]:
    store = RedisDocuments(valkey.url)
    yield store
    await store.aclose()


def test_a_document_is_read_as_it_was_written() -> None:
    """Keys, times and failures outlive the way through Redis; what cannot be read is not known."""
    key = ForeignKey(generate().public.jwk, 5, 7)
    for document in (Document(), known(3.25, key), known(3.25), known(1.5, key).failed(NOW, "tls")):
        assert Document.decode(document.encode()) == document
    for data in (
        None,
        b"",
        b"x",
        b"1 ",
        b"1 []",
        b"1 [1,2,3,3,[[1]],4,5,null]",
        b"1 [1,2,3,null,[[1,2,3]],4,5,null]",
        b'x [1,2,3,"",null,4,5,null]',
        b"\xff {}",
    ):
        assert Document.decode(data) == Document()


async def test_one_lease_at_a_time(documents: RedisDocuments, valkey: ValkeyServer) -> None:
    """Of two who want to fetch one may; when it has written, the next one may, and sees what was written."""
    assert (await documents.claim(URL, "a")).time
    assert await documents.claim(URL, "b") == (Document(), None)
    assert (await documents.claim("https://other.example/", "b")).time
    document = known(5)
    assert await documents.write(URL, "a", document, NOW) == document
    await asyncio.sleep(0.005)
    again = await documents.claim(URL, "b")
    assert (again.document, again.time is not None) == (document, True)
    assert await documents.read(URL) == document
    with Redis.from_url(valkey.url) as client:
        names = sorted(key.decode()[0] for key in client.scan_iter())
        assert names == ["d", "f", "f"]


async def test_times_come_from_the_store(documents: RedisDocuments, valkey: ValkeyServer) -> None:
    """Which fetch was later is told by one clock, to the microsecond."""
    with Redis.from_url(valkey.url) as client:
        seconds, _ = client.time()
        time = (await documents.claim(URL, "a")).time
        assert time is not None
        assert abs(time - seconds) < 2
        assert 0 < client.pttl(next(client.scan_iter("f*"))) <= LEASE * 1000


async def test_late_answer_brings_no_removed_key_back(documents: RedisDocuments) -> None:
    """An answer that was asked for earlier is not written over one that was asked for later."""
    old, new = ForeignKey(generate().public.jwk, 0, 0), ForeignKey(generate().public.jwk, 0, 0)
    await documents.write(URL, "b", known(8.000002, new), NOW)
    assert await documents.write(URL, "a", known(8.000001, old), NOW) == known(8.000002, new)
    failed = known(8.000001, old).failed(NOW, "tls")
    assert await documents.write(URL, "a", failed, NOW) == known(8.000002, new)
    assert await documents.read(URL) == known(8.000002, new)


async def test_lease_of_another_is_left_alone(documents: RedisDocuments) -> None:
    """Who comes too late gives nobody else's lease back."""
    await documents.claim(URL, "b")
    await documents.write(URL, "a", known(5), NOW)
    await asyncio.sleep(0.005)
    assert (await documents.claim(URL, "c")).time is None


async def test_in_a_cluster(cluster: Cluster) -> None:
    """Directories spread over the nodes of a Cluster, each with its lease in one slot."""
    documents = RedisDocuments(cluster.url)
    urls = [f"https://h{number}.example/" for number in range(60)]
    claimed = await asyncio.gather(*(documents.claim(url, "a") for url in urls))
    assert all(each.time for each in claimed)
    written = (documents.write(url, "a", known(5 + number), NOW) for number, url in enumerate(urls))
    assert [each.started for each in await asyncio.gather(*written)] == [5 + number for number in range(60)]
    owners = {cluster.owner(_keys(url)[0]).url for url in urls}
    assert len(owners) == 3
    assert all(cluster.owner(_keys(url)[0]).url == cluster.owner(_keys(url)[1]).url for url in urls)
    await documents.aclose()


async def test_documents_end(documents: RedisDocuments, valkey: ValkeyServer) -> None:
    """A directory is kept for an hour beyond its time, a failure for as long as it is counted."""
    await documents.write(URL, "a", known(5), NOW)
    await documents.write("https://other.example/", "a", Document().failed(NOW, "tls"), NOW)
    with Redis.from_url(valkey.url) as client:
        lives = sorted(client.ttl(key) for key in client.scan_iter("d*"))
    assert 60 <= lives[0] <= 65
    assert 3655 <= lives[1] <= 3660


async def test_store_away(own_valkey: ValkeyServer) -> None:
    """Without Redis nothing is known, and it is said at once."""
    documents = RedisDocuments(own_valkey.url)
    own_valkey.stop()
    for asked in (documents.read(URL), documents.claim(URL, "a"), documents.write(URL, "a", known(1), NOW)):
        with pytest.raises(ReplayStoreUnavailable):
            await asyncio.wait_for(asked, 1)
    await documents.aclose()
