"""What every replay store promises: one contract, over the fake and over a real Valkey."""

import asyncio
import re
import time
from contextlib import suppress

import pytest
from redis import Redis

from replay_stores import (
    ALICE,
    BOB,
    CLOCK_SKEW,
    Stores,
    claim,
    fake_stores,
    now,
    real_stores,
    record,
)
from stores import ValkeyServer
from vestry_service.live_records import Mark, book_key, mark_key, nonce_key, record_key
from vestry_service.replay import Claim, base_digest, nonce_digest
from vestry_service.replay_bound import Bound
from vestry_signatures.errors import ReplayStoreUnavailable


async def fresh(stores: Stores, one: Claim) -> bool:
    [answer] = await stores.replay.spend([one], now())
    return answer.fresh


async def test_a_nonce_counts_once(stores: Stores) -> None:
    """The second use of a signature is a replay, and so is every later one."""
    one = claim()
    assert [await fresh(stores, one) for _ in range(3)] == [True, False, False]


async def test_forty_at_once(stores: Stores) -> None:
    """Of forty uses of one signature at the same moment, exactly one is the first."""
    one = claim()
    assert sum(await asyncio.gather(*(fresh(stores, one) for _ in range(40)))) == 1


async def test_another_key_has_its_own_nonces(stores: Stores) -> None:
    """Nobody can use up another's nonce by signing with it."""
    assert await fresh(stores, claim(ALICE, "shared"))
    assert await fresh(stores, claim(BOB, "shared"))


async def test_answers_come_in_the_order_of_the_claims(stores: Stores) -> None:
    """Several signatures of one request are told apart; the same one twice in it is a replay."""
    await stores.live.write([record(kid=BOB)])
    alice, bob = claim(ALICE), claim(BOB)
    answers = await stores.replay.spend([alice, bob, alice], now())
    assert [answer.fresh for answer in answers] == [True, True, False]
    assert [answer.record for answer in answers] == [None, record(kid=BOB), None]


async def test_nothing_asked_is_not_nothing_wrong(stores: Stores) -> None:
    """A request without a claim cannot pass by an empty list of answers."""
    with pytest.raises(ValueError, match="no claim"):
        await stores.replay.spend([], now())
    with pytest.raises(ValueError, match="no claim"):
        await stores.replay.recheck([])
    with pytest.raises(ValueError, match="no claim"):
        await stores.replay.peek([])


async def test_the_live_record_comes_along(stores: Stores) -> None:
    """A change of the record is seen by the very next claim."""
    assert (await stores.replay.spend([claim()], now()))[0].record is None
    for written in (record(1), record(2, state="revoked")):
        await stores.live.write([written])
        assert (await stores.replay.spend([claim()], now()))[0].record == written


async def test_recheck_spends_nothing(stores: Stores) -> None:
    """Asking again what the record says leaves the nonce as it was."""
    one = claim()
    await stores.live.write([record()])
    [answer] = await stores.replay.recheck([one])
    assert (answer.fresh, answer.record) == (True, record())
    assert await fresh(stores, one)
    [answer] = await stores.replay.recheck([one])
    assert answer.fresh


async def test_peek_tells_what_spending_would_say_and_spends_nothing(stores: Stores) -> None:
    """Who only explains learns whether a nonce is used and what its key stands for, and leaves both as they were."""
    await stores.live.set_marks(Mark(0, await stores.run_id(), 60))
    await stores.live.write([record()])
    one, other = claim(), claim(BOB)
    for _ in range(2):
        told = await stores.replay.peek([one, other, one])
        assert [answer.fresh for answer in told] == [True, True, True]
        assert [answer.record for answer in told] == [record(), None, record()]
        assert [answer.remembered for answer in told] == [True, True, True]
    assert await stores.replay.spend([one], now()) == told[:1]
    assert [answer.fresh for answer in await stores.replay.peek([one, other])] == [False, True]


async def test_look(stores: Stores) -> None:
    """A process that knows nothing yet reads the record of a kid, or learns that there is none."""
    await stores.live.write([record()])
    assert await stores.replay.look(ALICE) == record()
    assert await stores.replay.look(BOB) is None


async def test_a_record_nobody_can_read_is_missing(stores: Stores) -> None:
    """A damaged record costs a question to the registrar, which heals it; its neighbours notice nothing."""
    stores.server.put(record_key(ALICE), b"\xff\x00 damaged")
    await stores.live.write([record(kid=BOB)])
    alice, bob = await stores.replay.spend([claim(ALICE), claim(BOB)], now())
    assert (alice.record, bob.record) == (None, record(kid=BOB))
    await stores.live.write([record()])
    assert await stores.replay.look(ALICE) == record()


async def test_remembered_since(stores: Stores) -> None:
    """Only a signature made strictly after the store's memory began can be judged."""
    since = now() - 100
    await stores.live.set_marks(Mark(since, await stores.run_id(), 60))
    claims = [claim(created=since + 1), claim(created=since), claim(created=since - 1)]
    assert [answer.remembered for answer in await stores.replay.spend(claims, now())] == [True, False, False]
    assert [answer.remembered for answer in await stores.replay.recheck(claims)] == [True, False, False]


@pytest.mark.parametrize("mark", [b"0 somebody-else 60", b"0", b"", b"zero run", b"\xff\xff"])
async def test_a_mark_of_another_server_counts_for_nothing(stores: Stores, mark: bytes) -> None:
    """What another server remembers, or nobody can read, says nothing about this one."""
    stores.server.put(mark_key(ALICE), mark)
    [answer] = await stores.replay.spend([claim()], now())
    assert not answer.remembered


async def test_a_store_without_a_mark_remembers_nothing(stores: Stores) -> None:
    """An empty store lets nothing pass."""
    [answer] = await stores.replay.spend([claim()], now())
    assert not answer.remembered


async def test_nobody_may_allow_a_greater_skew_than_the_store_remembers_for(stores: Stores) -> None:
    """Where the settings of two processes differ, the one that would accept what is forgotten accepts nothing."""
    await stores.live.set_marks(Mark(0, await stores.run_id(), CLOCK_SKEW + 1))
    assert (await stores.replay.spend([claim()], now()))[0].remembered
    await stores.live.set_marks(Mark(0, await stores.run_id(), CLOCK_SKEW - 1))
    with pytest.raises(ReplayStoreUnavailable, match="CLOCK_SKEW"):
        await stores.replay.spend([claim()], now())


async def test_a_claim_that_may_be_forgotten_by_the_stores_own_clock(stores: Stores) -> None:
    """By then nobody may judge it, whatever the time is for the process that asks, not when it rechecks either."""
    await stores.live.set_marks(Mark(0, await stores.run_id(), CLOCK_SKEW))
    ended = now() - 300 - 2 * CLOCK_SKEW
    claims = [claim(created=ended + 30), claim(created=ended - 30)]
    assert [answer.remembered for answer in await stores.replay.spend(claims, ended)] == [True, False]
    assert [answer.remembered for answer in await stores.replay.recheck(claims)] == [True, False]


async def spent(stores: Stores, *claims: Claim) -> list[tuple[bool, bool]]:
    """Say of each claim whether it is fresh, and whether its key has no room."""
    answers = [await stores.replay.spend([one], now()) for one in claims]
    return [(answer.fresh, answer.wait > 0) for [answer] in answers]


async def test_a_key_has_room_for_so_many_nonces(stores: Stores) -> None:
    """One more is not spent, and told when there is room; a replay stays one; nobody else feels it."""
    used = [claim(bound=Bound(3)) for _ in range(3)]
    late = claim(bound=Bound(3))
    assert await spent(stores, *used, late, used[0]) == [(True, False)] * 3 + [(False, True), (False, False)]
    [answer] = await stores.replay.spend([claim(bound=Bound(3))], now())
    assert 300 < answer.wait <= 300 + 2 * CLOCK_SKEW + 61
    others = (claim(BOB, bound=Bound(3)), claim(bound=Bound(3, "a-tool")), claim(), late._replace(bound=None))
    assert await spent(stores, *others) == [(True, False)] * 4


async def test_many_at_once_find_no_more_room_than_there_is(stores: Stores) -> None:
    """Forty claims of one turn share a room of ten, also where they travel as one."""
    claims = [claim(bound=Bound(10)) for _ in range(40)]
    answers = [
        answer for [answer] in await asyncio.gather(*(stores.replay.spend([c], now()) for c in claims))
    ]
    answers += await stores.replay.spend([claim(bound=Bound(10)) for _ in range(5)], now())
    assert sum(answer.fresh for answer in answers) == 10
    assert sum(answer.wait > 0 for answer in answers) == 35


async def test_recheck_needs_no_room(stores: Stores) -> None:
    """What was spent already is judged also where its key has no room left."""
    one = claim(bound=Bound(1))
    await stores.replay.spend([one], now())
    [answer] = await stores.replay.recheck([one])
    assert (answer.fresh, answer.wait) == (True, 0)


async def test_peek_sees_whether_there_is_room(stores: Stores) -> None:
    """It takes none of it, and tells a replay from a key without room as spending does."""
    one, other = claim(bound=Bound(1)), claim(bound=Bound(1))
    for _ in range(2):
        assert [answer.wait for answer in await stores.replay.peek([one, other])] == [0, 0]
    assert await spent(stores, one) == [(True, False)]
    used, without_room = await stores.replay.peek([one, other])
    assert (used.fresh, used.wait, without_room.fresh) == (False, 0, False)
    assert 300 < without_room.wait <= 300 + 2 * CLOCK_SKEW + 61


async def test_room_comes_back(stores: Stores) -> None:
    """What has ended leaves the book; long and short lives are told apart, a replay enters nothing."""
    key, time = book_key(ALICE, ""), now()
    stores.server.put(key, f"{time - 1}:5 {time + 40}:1 {time + 7000}:2".encode())
    short, long = claim(bound=Bound(5)), claim(bound=Bound(5), created=time + 7000)
    assert await spent(stores, short, short, long) == [(True, False), (False, False), (True, False)]
    counts = {
        int(end) - time: int(n) for end, n in re.findall(rb"(\d+):(\d+)", stores.server.get(key) or b"")
    }
    assert sorted(counts.values()) == [1, 1, 1, 2]
    assert (set(counts) & {40, 7000}, len(counts)) == ({40, 7000}, 4)
    assert max(counts) - 1800 <= stores.server.life(key) <= max(counts)
    [answer] = await stores.replay.spend([claim(bound=Bound(5))], now())
    assert (answer.fresh, 0 < answer.wait <= 40) == (False, True)


async def test_a_large_bound_is_kept_by_samples(stores: Stores) -> None:
    """Of 100,000 only a part is entered, and counts for the rest."""
    claims = [claim(bound=Bound(100_000)) for _ in range(2000)]
    for start in range(0, 2000, 50):
        with suppress(ReplayStoreUnavailable):  # a crowded machine: the rest will do
            await stores.replay.spend(claims[start : start + 50], now())
    counts = re.findall(rb"\d+:(\d+)", stores.server.get(book_key(ALICE, "")) or b"")
    total = sum(map(int, counts))
    assert total % 97 == 0
    assert 97 <= total <= 8000  # 2000 expected, 440 is one standard deviation


async def test_flushed(fragile: Stores) -> None:
    """A store that was emptied may have seen every nonce before: nothing passes until it is marked anew."""
    run_id = await fragile.run_id()
    await fragile.live.set_marks(Mark(0, run_id, 60))
    await fragile.live.write([record()])
    used = claim()
    await fragile.replay.spend([used], now())
    fragile.server.forget()
    [answer] = await fragile.replay.spend([used], now())
    assert answer.fresh  # the nonce is gone …
    assert not answer.remembered  # … and it is told
    assert answer.record is None
    await fragile.live.set_marks(Mark(now() - 1, run_id, 60))
    [answer] = await fragile.replay.spend([claim()], now())
    assert answer.remembered


@pytest.mark.parametrize("whole", [True, False])
async def test_restarted(single: Stores, whole: bool) -> None:
    """A server that started anew is not believed, whatever it kept, until the mark names its new run id."""
    await single.live.set_marks(Mark(0, await single.run_id(), 60))
    used = claim()
    assert (await single.replay.spend([used], now()))[0].remembered
    await single.restart(whole=whole)
    assert not (await single.replay.spend([claim()], now()))[0].remembered
    await single.live.set_marks(Mark(0, await single.run_id(), 60))
    [again, other] = await single.replay.spend([used, claim()], now())
    assert again.fresh is not whole
    assert other.fresh
    assert other.remembered


async def test_away(fragile: Stores) -> None:
    """A store that does not answer is a 503 at once, never a replay; and what comes after it is as always."""
    assert await fresh(fragile, claim())
    fragile.server.fail()
    started = time.monotonic()
    questions = (
        fragile.replay.spend([claim()], now()),
        fragile.replay.recheck([claim()]),
        fragile.replay.peek([claim()]),
        fragile.replay.look(ALICE),
    )
    outcomes = await asyncio.gather(*questions, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ReplayStoreUnavailable] * 4
    assert time.monotonic() - started < 0.4
    fragile.server.heal()
    assert await fresh(fragile, claim())


async def test_a_fake_forgets_in_time() -> None:
    """A nonce is kept until its signature has expired by every clock: expires + 2 x CLOCK_SKEW + 1, no longer."""
    times = [1000.0]
    stores = fake_stores(lambda: times[0])
    one = claim(created=1000)
    assert (await stores.replay.spend([one], 1000))[0].fresh
    times[0] = 1000 + 300 + 2 * 60
    assert not (await stores.replay.spend([one], int(times[0])))[0].fresh
    times[0] += 1
    assert (await stores.replay.spend([one], int(times[0])))[0].fresh


async def test_a_nonce_lives_as_long_as_the_mark_asks_for(stores: Stores) -> None:
    """Where others allow a greater skew, or our clock is ahead, a nonce is kept for their sake."""
    await stores.live.set_marks(Mark(0, await stores.run_id(), 600))
    await stores.replay.spend([claim(nonce="one")], now() + 3000)
    life = stores.server.life(nonce_key(ALICE, nonce_digest(ALICE, "one")))
    assert 1495 <= life <= 1501


async def test_nonce_life_in_valkey(valkey: ValkeyServer) -> None:
    """The real store gives a nonce the same life, and never less than a second."""
    async with real_stores(valkey) as stores:
        await stores.replay.spend([claim(created=1000)], 1000)
        await stores.replay.spend([claim(BOB, created=1000)], 5000)
    with Redis.from_url(valkey.url) as client:
        [alice] = client.keys(f"n{{{ALICE[:2]}}}*")
        [bob] = client.keys(f"n{{{BOB[:2]}}}*")
        assert 415 <= client.ttl(alice) <= 421
        assert 0 <= client.ttl(bob) <= 1


def test_digests() -> None:
    """Sixteen bytes, other ones for another kid, another nonce, another kind; lengths cannot be shifted."""
    digests = [
        nonce_digest(ALICE, "one"),
        nonce_digest(ALICE, "two"),
        nonce_digest(BOB, "one"),
        nonce_digest("ab", "c"),
        nonce_digest("a", "bc"),
        base_digest(ALICE, b"one"),
        base_digest(BOB, b"one"),
    ]
    assert {len(digest) for digest in digests} == {16}
    assert len(set(digests)) == len(digests)
    assert nonce_digest(ALICE, "one") == digests[0]
