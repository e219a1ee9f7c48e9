"""Limits of the registrar: which request counts where, what a client is told, and how each is switched off."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from prometheus_client import Counter

import bare_client
import signer
from limited import LIMITED, Limited, an_address, limited, shown
from services import BASE, HOST, Agent, Services, jwk_body
from stores import ValkeyServer
from vestry_registrar.limits import Limits
from vestry_registrar.settings import RegistrarSettings
from vestry_service.errors import RateLimited
from vestry_service.limits import Rate
from vestry_service.limits_memory import MemoryLimiter
from vestry_service.observed import OBSERVED, Observed
from vestry_service.replay_memory import MemoryServer
from vestry_service.settings import SettingsError, load
from vestry_signatures import generate
from vestry_signatures.errors import RevokedKey

NEEDED = {"DATABASE_URL": "postgresql://localhost/vestry", "REDIS_URL": "redis://localhost"}


def test_defaults_leave_room_for_an_office() -> None:
    """Dozens of agents can be registered at once from one address, and a client that errs is no attacker."""
    settings = load(RegistrarSettings, NEEDED)
    assert settings.limit_register == Rate(1000, 3600)
    assert settings.limit_changes == Rate(300, 3600)
    assert settings.limit_failed_proofs == Rate(1000, 60)


@pytest.mark.parametrize("name", ["LIMIT_REGISTER", "LIMIT_CHANGES", "LIMIT_FAILED_PROOFS"])
def test_a_limit_that_cannot_be_read_stops_the_start(name: str) -> None:
    """Nobody runs without a limit because of a slip of the pen."""
    with pytest.raises(SettingsError, match=f"{name} '30 per minute': must be off, or REQUESTS/SECONDS"):
        load(RegistrarSettings, {**NEEDED, name: "30 per minute"})


@pytest.mark.parametrize("path", ["/register", "/tool/register"])
async def test_registrations_are_counted_by_address(services: Services, path: str) -> None:
    """Each answer tells what is left; the one too many is refused and stores nothing; another address has its own."""
    with limited(services, LIMIT_REGISTER="3/3600") as registrar:
        mine = an_address()
        for left in (2, 1, 0):
            answer = await registrar.register(mine, path=path)
            assert answer.status == 200
            facts = shown(answer)["register"]
            assert (facts["r"], facts["q"], facts["w"]) == (left, 3, 3600)
            assert 1190 <= facts["t"] <= 1200
        before = services.stored()
        refused = await registrar.register(mine, path=path)
        assert refused.verdict == LIMITED
        assert services.stored() == before
        assert (await registrar.register(an_address(), path=path)).status == 200


async def test_agents_and_tools_share_what_an_address_may_register(services: Services) -> None:
    """Either costs a row of the same table."""
    with limited(services, LIMIT_REGISTER="2/3600") as registrar:
        mine = an_address()
        assert (await registrar.register(mine)).status == 200
        assert (await registrar.register(mine, path="/tool/register")).status == 200
        assert (await registrar.register(mine)).verdict == LIMITED


async def test_a_refusal_says_when_to_come_back(services: Services) -> None:
    """429 with calm words, the same time in `Retry-After` and RateLimit; counted by limit, logged by reason."""
    with limited(services, LIMIT_REGISTER="1/3600") as registrar:
        mine = an_address()
        await registrar.register(mine)
        refused = await registrar.register(mine)
        assert refused.headers["RateLimit-Policy"] == '"register";q=1;w=3600'
        wait = shown(refused)["register"]["t"]
        assert 3590 <= wait <= 3600
        assert refused.headers["RateLimit"] == f'"register";r=0;t={wait}'
        assert refused.headers["Retry-After"] == str(wait)
        assert refused.error["message"] == (
            f"[RATE_LIMITED] too many registrations from this address: try again in {wait} s"
        )
        assert "outcome" not in refused.error
        assert mine not in refused.body.decode()
        assert registrar.refused("register") == 1
        line = await registrar.registrar.line_of(refused)
        assert (line["reason"], line["status"], line["client_ip"]) == ("RATE_LIMITED", 429, mine)


async def test_no_metric_names_anybody(services: Services) -> None:
    """What a scrape shows of a refusal is the limit."""
    with limited(services, LIMIT_REGISTER="1/3600") as registrar:
        mine = an_address()
        for _ in range(2):
            await registrar.register(mine)
        scrape = await bare_client.send(registrar.registrar.internal_port, "GET", "/metrics", host="probe")
        assert b'vestry_rate_limited_total{limit="register"} 1.0' in scrape.body
        assert mine.encode() not in scrape.body


async def test_room_comes_back(services: Services) -> None:
    """After `Retry-After` there is room for one."""
    with limited(services, LIMIT_REGISTER="2/2") as registrar:
        mine = an_address()
        answers = await asyncio.gather(*(registrar.register(mine) for _ in range(3)))
        [refused] = [answer for answer in answers if answer.status != 200]
        assert refused.headers["Retry-After"] == "1"
        await asyncio.sleep(1)
        assert (await registrar.register(mine)).status == 200


async def test_changes_are_counted_by_agent(services: Services) -> None:
    """An agent that changes its keys too often waits, wherever it comes from; others, and /whoami, do not."""
    with limited(services, LIMIT_CHANGES="2/3600") as registrar:
        agent, other = await services.agent(), await services.agent()
        for left in (1, 0):
            new = generate()
            answer = await registrar.rotate(an_address(), agent, new)
            assert answer.status == 200
            assert shown(answer) == {"changes": {"r": left, "t": 1800, "q": 2, "w": 3600}}
            agent = Agent(new, agent.uid)
        refused = await registrar.rotate(an_address(), agent, generate())
        assert refused.verdict == LIMITED
        assert refused.headers["Retry-After"] == "1800"
        assert await services.directory(agent) == [agent.key.public.kid]
        assert registrar.refused("changes") == 1
        whoami = await registrar.whoami(an_address(), agent)
        assert whoami.status == 200
        assert shown(whoami) == {}
        assert (await registrar.rotate(an_address(), other, generate())).status == 200


async def test_failed_proofs_are_counted_by_address(services: Services) -> None:
    """Each is told what is left; then whatever is signed is refused from there, also what would have held."""
    with limited(services, LIMIT_FAILED_PROOFS="3/3600") as registrar:
        agent, mine = await services.agent(), an_address()
        forger = Agent(generate(), agent.uid)
        failing: list[Callable[[], Awaitable[bare_client.Answer]]] = [
            lambda: registrar.whoami(mine, forger),
            lambda: registrar.register(mine, keyid=agent.key.public.kid),
            lambda: registrar.rotate(mine, forger, generate()),
        ]
        for left, attempt in zip((2, 1, 0), failing, strict=True):
            answer = await attempt()
            assert answer.status == 401
            assert shown(answer)["failed-proofs"]["r"] == left
        for attempt in (
            lambda: registrar.whoami(mine, agent),
            lambda: registrar.register(mine),
            lambda: registrar.register(mine, path="/tool/register"),
            lambda: registrar.rotate(mine, agent, generate()),
        ):
            refused = await attempt()
            assert refused.verdict == LIMITED
            assert "signatures from this address did not hold" in refused.error["message"]
            assert shown(refused)["failed-proofs"]["q"] == 3
        assert registrar.refused("failed-proofs") == 4
        assert (await registrar.whoami(an_address(), agent)).status == 200


async def test_what_is_no_failed_proof(services: Services) -> None:
    """Requests without a signature, bodies that are no keys, keys that are taken: errors, and nobody's guess."""
    with limited(services, LIMIT_FAILED_PROOFS="1/3600") as registrar:
        agent, other, mine = await services.agent(), await services.agent(), an_address()
        assert (await registrar.send(mine, "GET", "/whoami", {})).verdict == (401, "MISSING_SIGNATURE_INPUT")
        signed = signer.sign(generate(), "POST", f"{BASE}/register", tag="null")
        assert (await registrar.send(mine, "POST", "/register", signed, b"{")).status == 400
        assert (
            await registrar.send(mine, "POST", "/register", signed, jwk_body({"kty": "EC"}))
        ).status == 422
        assert (await registrar.rotate(mine, agent, other.key)).verdict == (409, "KEY_TAKEN")
        assert (await registrar.whoami(mine, agent)).status == 200


async def test_an_address_is_refused_before_its_body_is_read(services: Services) -> None:
    """Whoever is over a limit is answered at once, though the body that it announced never comes."""
    with limited(services, LIMIT_REGISTER="1/3600") as registrar:
        mine = an_address()
        assert (await registrar.register(mine)).status == 200
        head = f"POST /register HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: {mine}\r\nContent-Length: 999\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", registrar.registrar.port)
        writer.write(head.encode())
        async with asyncio.timeout(1):
            assert (await reader.readline()).startswith(b"HTTP/1.1 429 ")
        writer.close()


@pytest.mark.parametrize("name", ["LIMIT_REGISTER", "LIMIT_CHANGES", "LIMIT_FAILED_PROOFS"])
async def test_each_limit_can_be_switched_off(services: Services, name: str) -> None:
    """`off` is no limit and no field in the answers; the other limits count on."""
    limits = {
        "LIMIT_REGISTER": "1/3600",
        "LIMIT_CHANGES": "1/3600",
        "LIMIT_FAILED_PROOFS": "1/3600",
        name: "off",
    }
    with limited(services, **limits) as registrar:
        assert await _registers_twice(registrar) is (name == "LIMIT_REGISTER")
        assert await _rotates_twice(registrar) is (name == "LIMIT_CHANGES")
        assert await _fails_twice(registrar) is (name == "LIMIT_FAILED_PROOFS")


async def _registers_twice(registrar: Limited) -> bool:
    mine = an_address()
    answers = [await registrar.register(mine) for _ in range(2)]
    assert bool(shown(answers[0])) == (answers[1].status != 200)
    return answers[1].status == 200


async def _rotates_twice(registrar: Limited) -> bool:
    agent, new = await registrar.services.agent(), generate()
    assert (await registrar.rotate(an_address(), agent, new)).status == 200
    return (await registrar.rotate(an_address(), Agent(new, agent.uid), generate())).status == 200


async def _fails_twice(registrar: Limited) -> bool:
    agent, mine = await registrar.services.agent(), an_address()
    answers = [await registrar.whoami(mine, Agent(generate(), agent.uid)) for _ in range(2)]
    return answers[1].status == 401


async def test_redis_away(doomed: Services, own_valkey: ValkeyServer) -> None:
    """Nothing passes unlimited: 503, once and at once, whatever is limited; then all goes on as before."""
    with limited(doomed, LIMIT_REGISTER="2/3600", LIMIT_FAILED_PROOFS="9/60") as registrar:
        agent, mine = await doomed.agent(), an_address()
        before = doomed.stored()
        own_valkey.pause()
        try:
            for attempt in (
                lambda: registrar.register(mine),
                lambda: registrar.whoami(mine, agent),
                lambda: registrar.whoami(mine, Agent(generate(), agent.uid)),
            ):
                started = time.monotonic()
                assert (await attempt()).verdict == (503, "REPLAY_STORE_UNAVAILABLE")
                assert time.monotonic() - started < 0.4
        finally:
            own_valkey.resume()
        assert doomed.stored() == before
        assert (await registrar.register(mine)).status == 200


def limits_with(**environ: str) -> Limits:
    limiter = MemoryLimiter(MemoryServer(time.time), time.time)
    counter = Counter("vestry_rate_limited", "Refusals", ("limit",), registry=None)
    return Limits(load(RegistrarSettings, NEEDED | environ), limiter, counter)


def refused(message: str) -> AbstractContextManager[object]:
    return pytest.raises(RateLimited, match=message)


async def test_revocations_have_room_of_their_own() -> None:
    """Who has used up the changes of an agent can revoke still; and each key has its own room for that."""
    limits = limits_with(LIMIT_CHANGES="1/3600")
    request = Observed("request", "192.0.2.7")
    await limits.change(request, "agent-1")
    with refused("too many changes"):
        await limits.change(request, "agent-1")
    await limits.revocation(request, "kid-1")
    with refused("too many revocations"):
        await limits.revocation(request, "kid-1")
    await limits.revocation(request, "kid-2")


def guarded(limits: Limits, *, proven: bool) -> Callable[[], Awaitable[None]]:
    """Return what sends a request to a handler that refuses it, after its proof or by it."""

    async def handler(request: web.Request) -> web.Response:
        if proven:
            request[OBSERVED].outcome = "verified"
        raise RevokedKey

    limited_handler = limits.proving(handler)

    async def send() -> None:
        request = make_mocked_request("POST", "/")
        request[OBSERVED] = Observed("request", "192.0.2.7")
        await limited_handler(request)

    return send


async def test_losing_a_race_is_no_failed_proof() -> None:
    """Of several rotations by one key the losers are refused after their proof: nobody holds that against them."""
    limits = limits_with(LIMIT_FAILED_PROOFS="1/3600")
    for _ in range(3):
        with pytest.raises(RevokedKey):
            await guarded(limits, proven=True)()
    with pytest.raises(RevokedKey):
        await guarded(limits, proven=False)()
    with refused("did not hold"):
        await guarded(limits, proven=True)()
