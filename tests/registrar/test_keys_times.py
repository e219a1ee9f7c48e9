"""Keys with a time: they begin and end to the second, wherever somebody verifies, with nothing that has to run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from key_desk import KeyDesk, MovingClock
from services import DIRECTORY, HOST, Agent, Service, Services, jwk_body
from signer import sign
from vestry_signatures import PrivateKey, generate

HOUR = 3600
DEAD = (401, "REVOKED_KEY")


@contextmanager
def by_another_clock(services: Services) -> Iterator[tuple[KeyDesk, Service, MovingClock]]:
    """Yield one more registrar and verifier whose time a test can move."""
    clock = MovingClock()
    with services.another_registrar(clock) as registrar, services.another_verifier(clock) as verifier:
        yield KeyDesk(services, registrar, clock), verifier, clock


async def register(services: Services, key: PrivateKey, **times: Any) -> Any:
    headers = sign(key, "POST", f"https://{HOST}/register", tag="null")
    return await services.call("POST", "/register", headers, jwk_body(key.public.jwk | times))


async def published(desk: KeyDesk, agent: Agent) -> list[dict[str, Any]]:
    answer = await desk.services.call("GET", DIRECTORY, host=f"{agent.uid}.{HOST}", registrar=desk.registrar)
    found: list[dict[str, Any]] = answer.json["keys"]
    return found


async def test_a_retiring_key_ends_by_itself_to_the_second(services: Services) -> None:
    """A second before its end it verifies here and at the verifier; at its end nowhere, and it is not published."""
    with by_another_clock(services) as (desk, verifier, clock):
        old, new = await services.agent(), generate()
        exp = (await desk.rotate(old, new, HOUR)).json["retiring"]["exp"]
        assert exp == clock.start + HOUR
        clock.later = HOUR - 1
        assert (await desk.verify(old, verifier)).json["kid"] == old.key.public.kid
        assert (await desk.whoami(old)).json["kid"] == old.key.public.kid
        assert [key["kid"] for key in await published(desk, old)] == [new.public.kid, old.key.public.kid]
        clock.later = HOUR
        assert (await desk.verify(old, verifier)).verdict == DEAD
        assert (await desk.whoami(old)).verdict == DEAD
        now = Agent(new, old.uid)
        assert [key["kid"] for key in await published(desk, old)] == [new.public.kid]
        assert (await desk.states(now))[old.key.public.kid] == "expired"
        assert (await desk.verify(now, verifier)).status == 200
        [(version, state)] = services.sql(
            "SELECT a.version, k.state FROM agents a JOIN public_jwks k ON k.agent_id = a.id WHERE k.kid = %s",
            old.key.public.kid,
        )
        assert (version, state) == (2, "retiring"), "nothing was done when it ended"


async def test_a_verifier_that_has_seen_nothing_ends_it_as_well(services: Services) -> None:
    """The end is in the live record, so it is the same for a cold verifier, and for one whose record was lost."""
    with by_another_clock(services) as (desk, _, clock):
        old = await services.agent()
        await desk.rotate(old, generate(), HOUR)
        with services.another_verifier(clock) as cold:
            clock.later = HOUR - 1
            assert (await desk.verify(old, cold)).status == 200
        with services.another_verifier(clock) as cold:
            clock.later = HOUR
            assert (await desk.verify(old, cold)).verdict == DEAD


async def test_an_overlap_never_lengthens_a_key(services: Services, desk: KeyDesk) -> None:
    """A key that ends in a minute still does, whatever overlap is asked for."""
    end = int(desk._clock()) + 60
    old = Agent()
    old.uid = (await register(services, old.key, exp=end)).json["uid"]
    assert (await desk.rotate(old, generate(), HOUR)).json["retiring"]["exp"] == end


async def test_a_key_begins_and_ends_to_the_second(services: Services) -> None:
    """Added for later: published at once, after the active ones; counts from `nbf` on and before `exp`."""
    with by_another_clock(services) as (desk, verifier, clock):
        first, timed = await services.agent(), Agent()
        timed.uid = first.uid
        times = {"nbf": clock.start + 100, "exp": clock.start + 200}
        answer = await desk.add(first, timed.key, **times)
        assert answer.json["public_jwk"] == timed.key.public.jwk | times
        third = generate()
        assert (await desk.add(first, third)).status == 200
        assert await published(desk, first) == [
            first.key.public.jwk, third.public.jwk, timed.key.public.jwk | times,
        ]  # fmt: skip
        for later, verdict in ((99, (401, "NOT_YET_VALID")), (100, (200, "")), (199, (200, "")), (200, DEAD)):
            clock.later = later
            assert (await desk.verify(timed, verifier)).verdict == verdict
            assert (await desk.whoami(timed)).verdict == verdict
            assert (await desk.say(timed, "GET", "/keys")).verdict == verdict
        listed = [key for key in await desk.keys(first) if key["kid"] == timed.key.public.kid]
        assert [(key["state"], key["nbf"], key["exp"]) for key in listed] == [
            ("expired", times["nbf"], times["exp"])
        ]
        assert len(await published(desk, first)) == 2


async def test_a_key_may_be_registered_for_a_time(services: Services, desk: KeyDesk) -> None:
    """At /register too; asked again, the first answer stands, also with other times."""
    agent, now = Agent(), int(desk._clock())
    times = {"nbf": now + HOUR, "exp": now + 2 * HOUR}
    answer = await register(services, agent.key, **times)
    agent.uid = answer.json["uid"]
    assert answer.json["public_jwk"] == agent.key.public.jwk | times
    assert (await register(services, agent.key)).json == {**answer.json, "is_new": False}
    assert await published(desk, agent) == [agent.key.public.jwk | times]
    assert (await desk.verify(agent)).verdict == (401, "NOT_YET_VALID")
    [(details,)] = services.sql("SELECT details FROM audit_events WHERE uid = %s", agent.uid)
    assert details == {"not_before": times["nbf"], "not_after": times["exp"]}


async def test_a_key_that_is_over_is_not_registered_again(services: Services, desk: KeyDesk) -> None:
    """Its agent is not told to it as if it still had one."""
    agent = await services.agent()
    services.sql("UPDATE public_jwks SET not_after = 1 WHERE kid = %s RETURNING 1", agent.key.public.kid)
    assert (await services.register(agent.key)).verdict == (409, "KEY_REVOKED")


@pytest.mark.parametrize(
    "times",
    [
        {"exp": 1}, {"exp": 1.5}, {"exp": "4000000000"}, {"exp": True}, {"exp": None}, {"exp": -5},
        {"nbf": 4_000_000_000_000}, {"nbf": 4_000_000_000, "exp": 4_000_000_000}, {"nbf": {}},
    ],
)  # fmt: skip
async def test_times_that_cannot_be_taken(services: Services, desk: KeyDesk, times: dict[str, Any]) -> None:
    """Over already, no whole seconds, milliseconds, an end before the beginning: refused wherever a key comes in."""
    agent, new = await services.agent(), generate()
    assert (await register(services, new, **times)).verdict == (422, "INVALID_JWK")
    assert (await desk.add(agent, new, **times)).verdict == (422, "INVALID_JWK")
    assert (await desk.rotate(agent, new, 0, **times)).verdict == (422, "INVALID_JWK")


@pytest.mark.parametrize("overlap", [0, HOUR])
async def test_rotate_refuses_a_key_that_is_to_come(services: Services, desk: KeyDesk, overlap: int) -> None:
    """It would leave the agent without a usable key until then."""
    agent, now = await services.agent(), int(desk._clock())
    answer = await desk.rotate(agent, generate(), overlap, nbf=now + HOUR)
    assert answer.verdict == (422, "INVALID_JWK")
    assert (await desk.rotate(agent, generate(), overlap, nbf=now, exp=now + HOUR)).status == 200


async def test_a_key_that_is_to_come_is_no_reason_to_let_the_last_one_go(
    services: Services, desk: KeyDesk
) -> None:
    """Until its time has come it is not usable."""
    agent = await services.agent()
    assert (await desk.add(agent, generate(), nbf=int(desk._clock()) + HOUR)).status == 200
    assert (await desk.retire(agent, agent.key.public.kid)).verdict == (409, "LAST_KEY")


@pytest.fixture
def desk(services: Services) -> KeyDesk:
    return KeyDesk(services)
