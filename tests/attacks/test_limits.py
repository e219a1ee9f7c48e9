"""Attacks on the limits: getting around them, turning them against somebody else, and filling the store with them."""

import asyncio
import json
import re
import time

import pytest
from redis import Redis

import signer
from bare_client import Answer
from limited import LIMITED, Limited, an_address, limited, shown
from services import BASE, HOST, Agent, Services, jwk_body
from signer import content_digest
from vestry_signatures import PrivateKey, Request, generate
from vestry_signatures.key_proof import add_key_proof


async def test_flood_of_registrations_from_one_address(services: Services) -> None:
    """A machine that registers as fast as it can makes as many agents as the limit says, and costs no row beyond."""
    with limited(services, LIMIT_REGISTER="10/3600") as registrar:
        mine, before = an_address(), len(services.stored())
        answers = await asyncio.gather(*(registrar.register(mine) for _ in range(40)))
        assert sorted(answer.status for answer in answers) == [200] * 10 + [429] * 30
        assert len(services.stored()) == before + 20, "ten agents and their keys"
        assert (await registrar.register(an_address())).status == 200, "nobody else is held up by it"


@pytest.mark.parametrize("together", [True, False], ids=["in one write", "one by one"])
async def test_flood_sent_ahead_of_the_answers(services: Services, *, together: bool) -> None:
    """On a connection that stays open each counts, whichever way it is answered, whomever else it names."""
    with limited(services, LIMIT_REGISTER="5/3600") as registrar:
        mine = an_address()
        requests = [kept_open(number, f"{an_address()}, {mine}") for number in range(20)]
        reader, writer = await asyncio.open_connection("127.0.0.1", registrar.registrar.port)
        try:
            for part in [b"".join(requests)] if together else requests:
                writer.write(part)
                await asyncio.sleep(0)
            async with asyncio.timeout(20):
                statuses = [await status_of_next(reader) for _ in requests]
        finally:
            writer.close()
        assert sorted(statuses) == [200] * 5 + [429] * 15


def kept_open(number: int, came_from: str) -> bytes:
    """A registration as a client sends it that has more to say on the same connection."""
    key, path = generate(), ("/register", "/tool/register")[number % 2]
    body = jwk_body(key.public.jwk)
    fields = {
        "Host": HOST,
        "X-Forwarded-For": came_from,
        **signer.sign(key, "POST", BASE + path, tag="null"),
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def status_of_next(reader: asyncio.StreamReader) -> int:
    """Read one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length is not None
    await reader.readexactly(int(length[1]))
    return int(head.split()[1])


async def test_forty_at_once_exactly_at_the_limit_over_two_registrars(services: Services) -> None:
    """However a burst is spread over the copies of a service, they admit together what the limit says."""
    rate = {"LIMIT_REGISTER": "40/3600"}
    with limited(services, **rate) as one, limited(services, **rate) as other:
        mine = an_address()
        answers = await asyncio.gather(*(each.register(mine) for _ in range(21) for each in (one, other)))
        assert sorted(answer.status for answer in answers) == [200] * 40 + [429] * 2
        left = sorted(shown(answer)["register"]["r"] for answer in answers if answer.status == 200)
        assert left == list(range(40)), "each place was given once"


async def test_x_forwarded_for_rotated_by_an_untrusted_peer(services: Services) -> None:
    """Whoever is no trusted proxy has the address he comes from, whatever header he sends."""
    with limited(services, trusted="192.0.2.1", LIMIT_REGISTER="3/3600") as registrar:
        registrar.forget("127.0.0.1")
        answers = [await registrar.register(an_address()) for _ in range(5)]
        assert [answer.status for answer in answers] == [200] * 3 + [429] * 2
        registrar.forget("127.0.0.1")


async def test_x_forwarded_for_prepended_before_a_trusted_proxy(services: Services) -> None:
    """What a client writes into the header stands left of what the proxy adds, and counts for nothing."""
    with limited(services, LIMIT_REGISTER="2/3600") as registrar:
        mine, victim = an_address(), an_address()
        for forged in (victim, an_address(), "unknown", f"{an_address()}, {victim}"):
            answer = await registrar.register(f"{forged}, {mine}")
        assert answer.verdict == LIMITED
        assert (await registrar.register(victim)).status == 200


@pytest.mark.parametrize(
    ("came", "elsewhere"),
    [
        ([f"2001:db8:0:1:{i:x}::{i:x}" for i in range(1, 5)], "2001:db8:0:2::1"),
        (["198.18.0.1", "::ffff:198.18.0.1", "[::ffff:c612:1]:4711", "198.18.0.1:99"], "198.18.0.2"),
    ],
    ids=["hopping within a /64", "spellings of one IPv4 address"],
)
async def test_one_subscriber_with_many_addresses(
    services: Services, came: list[str], elsewhere: str
) -> None:
    """All addresses of an IPv6 /64 are one client, and so are all spellings of an IPv4 address."""
    with limited(services, LIMIT_REGISTER="3/3600") as registrar:
        answers = [await registrar.register(address) for address in came]
        assert [answer.status for answer in answers] == [200] * 3 + [429]
        assert (await registrar.register(elsewhere)).status == 200
        for subject in ("2001:db8:0:1::/64", "2001:db8:0:2::/64", "198.18.0.1", "198.18.0.2"):
            registrar.forget(subject)


async def test_failed_proofs_to_lock_a_victim_out(services: Services) -> None:
    """Failures count where they come from: who forges a victim's signatures locks himself out, and not the victim."""
    with limited(services, LIMIT_FAILED_PROOFS="5/3600") as registrar:
        victim, mine, home = await services.agent(), an_address(), an_address()
        forger = Agent(generate(), victim.uid)
        forged = [
            lambda: registrar.whoami(mine, forger),
            lambda: registrar.whoami(mine, forger, keyid=victim.key.public.kid),
            lambda: registrar.rotate(mine, forger, generate()),
            lambda: registrar.register(mine, keyid=victim.key.public.kid),
            lambda: registrar.whoami(f"{home}, {mine}", forger),
        ]
        for attempt in forged:
            assert (await attempt()).status == 401
        assert (await registrar.whoami(mine, forger)).verdict == LIMITED
        assert (await registrar.whoami(home, victim)).status == 200
        assert (await registrar.rotate(home, victim, generate())).status == 200


async def test_a_refused_request_is_not_spent(services: Services) -> None:
    """A signature that a limit refused was not looked at: it is still good for one use, from elsewhere or later."""
    with limited(services, LIMIT_FAILED_PROOFS="1/3600") as registrar:
        agent, mine = await services.agent(), an_address()
        signed = agent.sign("GET", f"{BASE}/whoami")
        assert (await registrar.whoami(mine, Agent(generate(), agent.uid))).status == 401
        assert (await registrar.send(mine, "GET", "/whoami", signed)).verdict == LIMITED
        assert (await registrar.send(an_address(), "GET", "/whoami", signed)).status == 200


async def test_stranger_using_up_an_agents_changes(services: Services) -> None:
    """Forged, unproven and replayed rotations leave an agent all the room it had, and learn nothing about it."""
    with limited(services, LIMIT_CHANGES="2/3600") as registrar:
        victim, second, third = await services.agent(), generate(), generate()
        captured = victim.sign("POST", f"{BASE}/rotate")
        first = await registrar.send(None, "POST", "/rotate", captured, jwk_body(second.public.jwk))
        assert shown(first)["changes"]["r"] == 1
        forger = Agent(generate(), victim.uid)
        attempts = [
            registrar.rotate(None, forger, generate()),
            registrar.rotate(None, (await services.agent()).at(victim.uid), generate()),
            registrar.rotate(None, victim, generate()),  # with the key that was rotated away
            registrar.send(None, "POST", "/rotate", captured, jwk_body(third.public.jwk)),
            registrar.send(None, "POST", "/rotate", {}, jwk_body(third.public.jwk)),
        ]
        for attempt in attempts:
            answer = await attempt
            assert answer.status == 401
            assert "RateLimit" not in answer.headers
        owner = Agent(second, victim.uid)
        assert shown(await registrar.rotate(None, owner, third))["changes"]["r"] == 0
        assert (await registrar.rotate(None, Agent(third, victim.uid), generate())).verdict == LIMITED


async def test_thief_using_up_the_changes_to_stop_a_revocation(services: Services) -> None:
    """Who stole one key of an agent cannot keep its owner from revoking it with another one, however busy he is."""
    with limited(services, LIMIT_CHANGES="3/3600") as registrar:
        owner, stolen = await services.agent(), generate()
        assert (await add_key(registrar, owner, stolen)).status == 200
        thief = Agent(stolen, owner.uid)
        answers = [await registrar.rotate(None, thief, owner.key) for _ in range(3)]
        assert [answer.verdict for answer in answers] == [(409, "KEY_IN_USE")] * 2 + [LIMITED]
        nonsense = [await revoke(registrar, thief, "no-such-kid") for _ in range(4)]
        assert nonsense[-1].verdict == LIMITED
        answer = await revoke(registrar, owner, stolen.public.kid)
        assert answer.status == 200
        assert shown(answer)["revocations"]["r"] == 2
        assert (await registrar.whoami(None, thief)).verdict == (401, "REVOKED_KEY")


async def add_key(registrar: Limited, agent: Agent, new: PrivateKey) -> Answer:
    """Give an agent one key more, which says that it agrees."""
    body = jwk_body(new.public.jwk)
    digest = {"Content-Digest": content_digest(body)}
    request = Request.of("POST", f"{BASE}/keys", digest.items())
    signed = agent.sign("POST", f"{BASE}/keys")
    both = add_key_proof(request, signed, new, created=int(time.time()))
    return await registrar.send(None, "POST", "/keys", {**both, **digest}, body)


async def revoke(registrar: Limited, agent: Agent, kid: str) -> Answer:
    signed = agent.sign("POST", f"{BASE}/revoke")
    return await registrar.send(None, "POST", "/revoke", signed, json.dumps({"kid": kid}).encode())


async def test_rotating_for_a_new_bucket(services: Services) -> None:
    """A new key brings no new room: changes count against the agent, whichever of its keys signs."""
    with limited(services, LIMIT_CHANGES="3/3600") as registrar:
        agent = await services.agent()
        for _ in range(3):
            new = generate()
            assert (await registrar.rotate(an_address(), agent, new)).status == 200
            agent = Agent(new, agent.uid)
        assert (await registrar.rotate(an_address(), agent, generate())).verdict == LIMITED


@pytest.mark.parametrize("wrong", [-86_400, 86_400])
async def test_a_registrar_whose_clock_is_wrong(doomed: Services, wrong: int) -> None:
    """A day fast or slow, a registrar counts by the clock of Redis, into the same buckets as the others."""
    rate = {"LIMIT_REGISTER": "4/3600", "TRUSTED_PROXIES": "127.0.0.1"}
    with limited(doomed, LIMIT_REGISTER="4/3600") as right:
        clock = time.time() + wrong - time.monotonic()
        with doomed.another_registrar(lambda: clock + time.monotonic(), **rate) as astray:
            mine = an_address()
            for _ in range(2):
                assert (await right.register(mine)).status == 200
            for left in (1, 0):
                key, created = generate(), int(time.time()) + wrong
                signed = signer.sign(key, "POST", f"{BASE}/register", tag="null", created=created)
                answer = await doomed.call(
                    "POST",
                    "/register",
                    {**signed, "X-Forwarded-For": mine},
                    jwk_body(key.public.jwk),
                    registrar=astray,
                )
                # Whether a signature of yesterday may pass is the store's memory to say, and not a limit's.
                assert answer.status in {200, 503}
                assert shown(answer)["register"]["r"] == left
                assert 895 <= shown(answer)["register"]["t"] <= 900
            assert (await right.register(mine)).verdict == LIMITED


async def test_flood_of_addresses_to_fill_the_store(services: Services) -> None:
    """Every bucket ends by itself, at the latest when it is empty again: a flood fills nothing for long."""
    with limited(services, LIMIT_REGISTER="10/600", LIMIT_FAILED_PROOFS="10/600") as registrar:
        before = _buckets(services)
        flood = [f"2001:db8:ff:{i:x}::1" for i in range(200)]
        key, agent = generate(), await services.agent()
        forger = Agent(key, agent.uid)
        for part in range(0, 200, 50):
            await asyncio.gather(*(registrar.whoami(address, forger) for address in flood[part : part + 50]))
        lives = [life for name, life in _buckets(services).items() if name not in before]
        assert len(lives) >= 190  # the first of them may be over by now
        assert all(0 < life <= 60_000 for life in lives), "milliseconds: one failure drains in a minute"


def _buckets(services: Services) -> dict[bytes, int]:
    with Redis.from_url(services.redis_url) as client:
        return {name: client.pttl(name) for name in client.scan_iter("l{*", count=10_000)}
