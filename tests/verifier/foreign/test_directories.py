"""For how long a directory is believed, and who fetches it: real Redis, a fetcher that is told what to bring."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from redis import Redis

from services import until
from stores import ValkeyServer
from vestry_service.trust import Signer
from vestry_signatures import PrivateKey, generate
from vestry_signatures.errors import (
    DirectoryUnreachable,
    NotYetValid,
    ReplayStoreUnavailable,
    RevokedKey,
    UnknownKey,
)
from vestry_verifier.foreign.answer import FetchFailed
from vestry_verifier.foreign.directories import Directories
from vestry_verifier.foreign.fetch import Fetched
from vestry_verifier.foreign.identifier import Directory
from vestry_verifier.foreign.jwks import ForeignKey
from vestry_verifier.foreign.keys import ForeignKeys
from vestry_verifier.foreign.store import RedisDocuments

URL = "https://bot.example/.well-known/http-message-signatures-directory"
BOT = Signer("bot.example", "https://bot.example", URL, foreign=True)
OLD, NEW = generate(), generate()


def entry(key: PrivateKey, not_before: int = 0, not_after: int = 0) -> ForeignKey:
    return ForeignKey(key.public.jwk, not_before, not_after)


class FakeFetcher:
    """Brings what it is told, or fails; counts how often it was asked and with which validators."""

    def __init__(self) -> None:
        self.brings: Fetched | None = Fetched([entry(OLD)], '"1"', 600)
        self.validators: list[str | None] = []
        self.known: list[bool] = []
        self.result = "status"
        self.answering = asyncio.Event()
        self.answering.set()

    @property
    def times(self) -> int:
        return len(self.validators)

    async def fetch(
        self, _directory: Directory, validator: str | None = None, *, known: bool = False
    ) -> Fetched:
        self.validators.append(validator)
        self.known.append(known)
        await self.answering.wait()
        if self.brings is None:
            raise FetchFailed(self.result)
        return self.brings


class Fleet:
    """Some verifiers on one Redis, with one fetcher and one clock."""

    def __init__(self, url: str, size: int) -> None:
        self.now = 1_000_000.0
        self.fetcher = FakeFetcher()
        self.documents = [RedisDocuments(url) for _ in range(size)]
        self.directories = [
            Directories(documents, self.fetcher, lambda: self.now, lambda: 0.5)  # type: ignore[arg-type]
            for documents in self.documents
        ]
        self.keys = [ForeignKeys(each, {"ed25519"}, lambda: self.now) for each in self.directories]

    async def finds(self, key: PrivateKey = OLD, at: int = 0) -> str:
        """`yes`, or the reason why not; on a busy machine Redis may be late, then it is asked again."""
        for _ in range(5):
            try:
                found = await self.keys[at].find(BOT, key.public.kid)
            except (UnknownKey, DirectoryUnreachable, RevokedKey, NotYetValid) as error:
                return error.reason
            except ReplayStoreUnavailable:
                continue
            assert found.kid == key.public.kid
            return "yes"
        raise ReplayStoreUnavailable

    async def fetches(self, times: int) -> None:
        """Wait until so many fetches have begun."""

        async def begun() -> bool:
            return self.fetcher.times >= times

        await until(begun)
        assert self.fetcher.times == times

    async def aclose(self) -> None:
        for directories, documents in zip(self.directories, self.documents, strict=True):
            await directories.aclose()
            await documents.aclose()


@asynccontextmanager
async def fleet_on(valkey: ValkeyServer, size: int) -> AsyncIterator[Fleet]:
    fleet = Fleet(valkey.url, size)
    try:
        yield fleet
    finally:
        await fleet.aclose()


@pytest.fixture
async def fleet(valkey: ValkeyServer) -> AsyncIterator[Fleet]:
    async with fleet_on(valkey, 2) as made:
        yield made


async def settled() -> None:
    """Give what runs in the background time to end."""
    await asyncio.sleep(0.1)


async def test_fetched_once_for_a_fleet(fleet: Fleet) -> None:
    """What one verifier has fetched the others find in Redis, for as long as it is fresh."""
    assert [await fleet.finds(at=at) for at in (0, 1, 0, 1)] == ["yes"] * 4
    fleet.now += 400
    assert [await fleet.finds(at=at) for at in (0, 1)] == ["yes"] * 2
    await settled()
    assert fleet.fetcher.times == 1


async def test_herd_in_a_fleet(fleet: Fleet) -> None:
    """Who wants the same directory at the same moment waits for one fetch, in a process and in the fleet."""
    fleet.fetcher.answering.clear()
    waiting = asyncio.gather(*(fleet.finds(at=at) for at in (0, 1) * 20))
    await settled()
    fleet.fetcher.answering.set()
    assert set(await waiting) == {"yes"}
    assert fleet.fetcher.times == 1


async def test_stale_is_fetched_before_anything_is_answered(fleet: Fleet) -> None:
    """A pair stands while its directory is fresh: then its host is asked first, with the ETag of what is known."""
    assert await fleet.finds() == "yes"
    fleet.now += 601
    fleet.fetcher.brings = Fetched([entry(NEW)], '"2"', 600)
    assert (await fleet.finds(OLD), await fleet.finds(NEW)) == ("UNKNOWN_KEY", "yes")
    assert fleet.fetcher.validators == [None, '"1"']


async def test_not_modified(fleet: Fleet) -> None:
    """304 makes what is known fresh again."""
    assert await fleet.finds() == "yes"
    for _ in range(3):
        fleet.now += 601
        fleet.fetcher.brings = Fetched(None, '"1"', 600)
        assert await fleet.finds() == "yes"
    assert fleet.fetcher.validators == [None, '"1"', '"1"', '"1"']


async def test_fetched_ahead_in_the_background(fleet: Fleet) -> None:
    """When most of its time is over a directory is fetched while requests go on, once for the fleet."""
    assert [await fleet.finds(at=at) for at in (0, 1)] == ["yes"] * 2
    fleet.now += 481  # a fifth of 600 is left, at the middle of what chance gives
    fleet.fetcher.answering.clear()
    assert [await asyncio.wait_for(fleet.finds(at=at), 1) for at in (0, 1)] == ["yes"] * 2
    await fleet.fetches(2)
    fleet.fetcher.answering.set()
    await settled()
    fleet.now += 300  # beyond the first one's time
    assert [await fleet.finds(at=at) for at in (0, 1)] == ["yes"] * 2
    assert fleet.fetcher.times == 2


async def test_stale_if_error(fleet: Fleet) -> None:
    """While the host is away what was known serves for an hour after its time, and no longer."""
    assert await fleet.finds() == "yes"
    fleet.fetcher.brings = None
    for wait in (601, 1800, 1790):
        fleet.now += wait
        assert [await fleet.finds(at=at) for at in (0, 1)] == ["yes"] * 2
    fleet.now += 20
    assert await fleet.finds() == "DIRECTORY_UNREACHABLE"
    fleet.now += 61
    fleet.fetcher.brings = Fetched([entry(OLD)], None, 600)
    assert await fleet.finds() == "yes"


async def test_busy(fleet: Fleet) -> None:
    """Who was not asked, for there was no place, has not failed; what is known serves as after a failure."""
    good, fleet.fetcher.brings, fleet.fetcher.result = fleet.fetcher.brings, None, "busy"
    for _ in range(3):
        assert [await fleet.finds(at=at) for at in (0, 1)] == ["DIRECTORY_UNREACHABLE"] * 2
    assert fleet.fetcher.times == 6
    fleet.fetcher.brings = good
    assert await fleet.finds() == "yes"
    fleet.now += 601
    fleet.fetcher.brings = None
    assert [await fleet.finds(at=at) for at in (0, 1)] == ["yes"] * 2
    assert fleet.fetcher.times == 8


async def test_who_need_not_stand_behind_strangers(fleet: Fleet) -> None:
    """A directory that was had before, unless it has failed three times in a row since."""
    good = fleet.fetcher.brings
    for fleet.fetcher.brings in (good, None, None, None, None, good, good):
        await fleet.finds()
        fleet.now += 700
    assert fleet.fetcher.known == [False, True, True, True, False, False, True]


async def test_validator_of_what_is_not_known(fleet: Fleet) -> None:
    """Nothing is asked for on a condition where the keys are not there that "not modified" would renew."""
    assert await fleet.finds() == "yes"
    [store, *_] = fleet.documents
    known = await store.read(URL)
    lost = known._replace(keys=None, started=round(known.started + 0.001, 6))
    assert await store.write(URL, "", lost, fleet.now) == lost
    assert await fleet.finds(at=1) == "yes"
    assert fleet.fetcher.validators == [None, None]


async def test_host_that_wants_nothing_stale(fleet: Fleet) -> None:
    """Where its host asked for it, a directory does not outlive its time."""
    fleet.fetcher.brings = Fetched([entry(OLD)], None, 600, stale_for=30)
    assert await fleet.finds() == "yes"
    fleet.fetcher.brings = None
    fleet.now += 625
    assert await fleet.finds() == "yes"
    fleet.now += 6
    assert await fleet.finds() == "DIRECTORY_UNREACHABLE"


async def test_removed_key_during_stale_if_error(fleet: Fleet) -> None:
    """A key that the host has removed does not come back when the host goes away after that, at no verifier."""
    assert [await fleet.finds(at=at) for at in (0, 1)] == ["yes"] * 2
    fleet.now += 601
    fleet.fetcher.brings = Fetched([entry(NEW)], '"2"', 600)
    assert await fleet.finds(NEW) == "yes"
    fleet.fetcher.brings = None
    for wait in (1, 601, 1800):
        fleet.now += wait
        for at in (0, 1):
            assert (await fleet.finds(OLD, at), await fleet.finds(NEW, at)) == ("UNKNOWN_KEY", "yes")


async def test_store_that_was_set_back(fleet: Fleet, valkey: ValkeyServer) -> None:
    """Where Redis has lost what it knew, or knows again what is older, a removed key does not come back."""
    assert [await fleet.finds(at=at) for at in (0, 1)] == ["yes"] * 2
    with Redis.from_url(valkey.url) as client:
        [name] = client.scan_iter("d*")
        old = client.get(name)
        fleet.now += 61
        fleet.fetcher.brings = Fetched([entry(NEW)], '"2"', 600)
        assert await fleet.finds(NEW) == "yes"
        for setting_back in (lambda: client.set(name, old), client.flushall):
            setting_back()
            fleet.now += 2
            for at in (0, 1):
                assert (await fleet.finds(OLD, at), await fleet.finds(NEW, at)) == ("UNKNOWN_KEY", "yes")
    assert fleet.fetcher.times == 2


async def test_removal_is_known_to_all_within_a_second(fleet: Fleet) -> None:
    """What one verifier has learned the others know a second later, though their own copy was fresh."""
    assert [await fleet.finds(at=at) for at in (0, 1)] == ["yes"] * 2
    fleet.now += 61
    fleet.fetcher.brings = Fetched([entry(NEW)], '"2"', 600)
    assert await fleet.finds(NEW, at=0) == "yes"
    fleet.now += 1
    assert await fleet.finds(OLD, at=1) == "UNKNOWN_KEY"


async def test_removal_that_the_store_kept_for_a_shorter_time(fleet: Fleet, valkey: ValkeyServer) -> None:
    """A copy that one verifier holds for a day does not come back when the store's later one has ended before."""
    fleet.fetcher.brings = Fetched([entry(OLD)], '"1"', 86_400)
    assert await fleet.finds(at=0) == "yes"
    fleet.now += 61
    fleet.fetcher.brings = Fetched([entry(NEW)], '"2"', 30, stale_for=0)
    assert await fleet.finds(NEW, at=1) == "yes"
    with Redis.from_url(valkey.url) as client:
        client.delete(*client.scan_iter("d*"))  # as it would be in 30 seconds
    fleet.now += 31
    assert [await fleet.finds(OLD, at) for at in (0, 1)] == ["UNKNOWN_KEY"] * 2


async def test_removal_that_the_store_has_lost_while_the_host_is_away(
    fleet: Fleet, valkey: ValkeyServer
) -> None:
    """Who has not looked for a while does not know what was removed: then nothing stands until the host answers."""
    assert await fleet.finds(at=0) == "yes"
    fleet.now += 61
    good = fleet.fetcher.brings = Fetched([entry(NEW)], '"2"', 600)
    assert await fleet.finds(NEW, at=1) == "yes"
    with Redis.from_url(valkey.url) as client:
        client.flushall()
    fleet.fetcher.brings = None
    fleet.now += 1
    for _ in range(3):
        assert [await fleet.finds(key, at=0) for key in (OLD, NEW)] == ["DIRECTORY_UNREACHABLE"] * 2
        fleet.now += 61
    fleet.fetcher.brings = good
    assert [await fleet.finds(key, at=0) for key in (OLD, NEW)] == ["UNKNOWN_KEY", "yes"]


async def test_directory_that_is_gone(fleet: Fleet) -> None:
    """Who takes his whole directory away takes his keys away: they do not outlive its time, as when he is away."""
    good = fleet.fetcher.brings
    assert await fleet.finds() == "yes"
    fleet.fetcher.brings, fleet.fetcher.result = None, "gone"
    fleet.now += 500
    assert await fleet.finds() == "yes"
    await settled()
    for wait in (101, 61):
        fleet.now += wait
        assert [await fleet.finds(at=at) for at in (0, 1)] == ["DIRECTORY_UNREACHABLE"] * 2
    fleet.fetcher.result = "status"
    fleet.now += 61
    assert [await fleet.finds(at=at) for at in (0, 1)] == ["DIRECTORY_UNREACHABLE"] * 2
    fleet.fetcher.brings = good
    fleet.now += 61
    assert await fleet.finds() == "yes"


async def test_not_modified_without_a_word_on_caching(fleet: Fleet) -> None:
    """It gives no more time than there was, and what must not serve stale still must not."""
    fleet.fetcher.brings = Fetched([entry(OLD)], '"1"', 60, stale_for=0)
    assert await fleet.finds() == "yes"
    fleet.now += 61
    fleet.fetcher.brings = Fetched(None, '"1"', 300, stale_for=None)
    assert await fleet.finds() == "yes"
    fleet.fetcher.brings = None
    fleet.now += 61
    assert await fleet.finds() == "DIRECTORY_UNREACHABLE"


async def test_failed_fetch_evicts_nothing(fleet: Fleet) -> None:
    """A failure says nothing about the signer: while the directory is fresh it changes nothing."""
    assert await fleet.finds() == "yes"
    fleet.now += 500
    fleet.fetcher.brings = None
    assert await fleet.finds() == "yes"
    await fleet.fetches(2)
    assert await fleet.finds(generate()) == "UNKNOWN_KEY"
    assert await fleet.finds() == "yes"


async def test_negative_answers(fleet: Fleet) -> None:
    """A host that fails is left alone by the whole fleet: for 5 seconds, then longer, a minute at most."""
    fleet.fetcher.brings = None
    waited = []
    for _ in range(7):
        assert [await fleet.finds(at=at) for at in (0, 1)] == ["DIRECTORY_UNREACHABLE"] * 2
        begun, times = fleet.now, fleet.fetcher.times
        while fleet.fetcher.times == times:
            fleet.now += 1
            await fleet.finds()
        waited.append(fleet.now - begun)
        # what was tried just now counts for the next round
    assert waited == [5, 10, 20, 40, 60, 60, 60]
    fleet.now += 60
    fleet.fetcher.brings = Fetched([entry(OLD)], None, 600)
    assert await fleet.finds() == "yes"


async def test_new_key_is_found_within_a_minute(fleet: Fleet) -> None:
    """A directory that lacks the key in question is fetched again, but not more than once a minute."""
    assert await fleet.finds() == "yes"
    fleet.fetcher.brings = Fetched([entry(OLD), entry(NEW)], '"2"', 600)
    assert await fleet.finds(NEW) == "UNKNOWN_KEY"
    fleet.now += 59
    assert [await fleet.finds(NEW, at) for at in (0, 1)] == ["UNKNOWN_KEY"] * 2
    assert fleet.fetcher.times == 1
    fleet.now += 2
    assert [await fleet.finds(NEW, at) for at in (0, 1)] == ["yes"] * 2
    assert fleet.fetcher.times == 2


async def test_holder_of_the_lease_dies(fleet: Fleet) -> None:
    """A verifier that dies while it fetches holds the others up until its lease ends, and no longer."""
    assert (await fleet.documents[0].claim(URL, "dead")).time
    started = asyncio.get_running_loop().time()
    answer = await fleet.finds(at=1)
    assert answer in {"yes", "DIRECTORY_UNREACHABLE"}
    assert 2.5 < asyncio.get_running_loop().time() - started < 8
    assert await fleet.finds(at=1) == "yes"


async def test_a_waiter_that_goes_away(fleet: Fleet) -> None:
    """Who goes away takes the answer from nobody else."""
    fleet.fetcher.answering.clear()
    first = asyncio.create_task(fleet.finds())
    second = asyncio.create_task(fleet.finds())
    await settled()
    first.cancel()
    fleet.fetcher.answering.set()
    assert await second == "yes"


async def test_times_of_a_key(fleet: Fleet) -> None:
    """`nbf` and `exp` are kept to, to the second, whatever the directory's own time is."""
    start = int(fleet.now) + 100
    fleet.fetcher.brings = Fetched([entry(OLD, start, start + 100)], None, 86_400)
    assert await fleet.finds() == "NOT_YET_VALID"
    fleet.now = start
    assert await fleet.finds() == "yes"
    fleet.now = start + 99.9
    assert await fleet.finds() == "yes"
    fleet.now = start + 100
    assert await fleet.finds() == "REVOKED_KEY"


async def test_algorithm_that_is_not_accepted(fleet: Fleet) -> None:
    """A key of an algorithm that ALGORITHMS does not name is unknown here, and spoils no other."""
    other = PrivateKey(ec.generate_private_key(ec.SECP256R1()))
    fleet.fetcher.brings = Fetched([entry(other), entry(OLD)], None, 600)
    assert (await fleet.finds(other), await fleet.finds(OLD)) == ("UNKNOWN_KEY", "yes")
    accepting = ForeignKeys(fleet.directories[0], {"ecdsa-p256-sha256"}, lambda: fleet.now)
    assert (await accepting.find(BOT, other.public.kid)).alg == "ecdsa-p256-sha256"


async def test_what_a_process_remembers_is_bounded(valkey: ValkeyServer) -> None:
    """Directories beyond the bound are read from Redis again, not fetched."""
    async with fleet_on(valkey, 1) as fleet:
        small = Directories(fleet.documents[0], fleet.fetcher, lambda: fleet.now, capacity=3)  # type: ignore[arg-type]
        for _ in range(2):
            for number in range(6):
                directory = Directory(f"https://h{number}.example/", f"h{number}.example", True, False)
                assert (await small.current(directory, OLD.public.kid)).keys
        assert len(small._seen) == 3
        assert fleet.fetcher.times == 6
        await small.aclose()
