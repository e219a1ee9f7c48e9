"""Who may register: open, token, approval, closed. The public port of each mode is that of one more registrar."""

import asyncio
from collections.abc import Iterator

import pytest

from operator_desk import Desk
from services import Service, Services
from vestry_registrar.settings import RegistrarSettings
from vestry_service.errors import StartError
from vestry_service.settings import load
from vestry_signatures import generate

PATHS = ["/register", "/tool/register"]


@pytest.fixture(scope="module")
def by_token(services: Services) -> Iterator[Service]:
    with services.another_registrar(REGISTRATION="token") as registrar:
        yield registrar


@pytest.fixture(scope="module")
def by_approval(services: Services) -> Iterator[Service]:
    with services.another_registrar(REGISTRATION="approval") as registrar:
        yield registrar


@pytest.fixture(scope="module")
def closed(services: Services) -> Iterator[Service]:
    with services.another_registrar(REGISTRATION="closed") as registrar:
        yield registrar


@pytest.fixture
async def desk(services: Services) -> Desk:
    return await Desk.open(services)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_mode_is_one_of_four() -> None:
    """Another word stops the start, and names the four."""
    needed = {"DATABASE_URL": "postgresql://localhost/vestry", "REDIS_URL": "redis://localhost"}
    assert load(RegistrarSettings, needed).registration == "open"
    with pytest.raises(StartError, match="open, token, approval, closed"):
        load(RegistrarSettings, {**needed, "REGISTRATION": "invite"})


@pytest.mark.parametrize("path", PATHS)
async def test_token_lets_in_whoever_shows_one(
    services: Services, desk: Desk, by_token: Service, path: str
) -> None:
    """Its label becomes the new owner's, and the trail says which token it was and who made it."""
    token = await desk.enrolment_token(label="build farm", uses=2)
    key = generate()
    answer = await services.register(key, path, also=bearer(token), registrar=by_token)
    assert (answer.status, answer.json["is_new"]) == (200, True)
    uid = answer.json["uid"]
    kind = "agents" if path == "/register" else "tools"
    [found] = (await desk.get(f"/{kind}", uid=uid))[kind]
    assert found["label"] == "build farm"
    used = services.sql("SELECT details FROM audit_events WHERE uid = %s AND event = 'token.used'", uid)
    assert [row[0]["created_by"] for row in used] == [desk.name]
    listed = (await desk.get("/enrolment-tokens"))["tokens"]
    assert (listed[0]["label"], listed[0]["uses"], listed[0]["uses_left"]) == ("build farm", 2, 1)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "shown",
    [{}, {"Authorization": "Bearer "}, {"Authorization": "Bearer vestry_enr_" + "A" * 43},
     {"Authorization": "Basic dXNlcjpwdw=="}, {"Authorization": "Bearer vestry_enr_short"}],
)  # fmt: skip
async def test_token_keeps_everybody_else_out(
    services: Services, by_token: Service, path: str, shown: dict[str, str]
) -> None:
    """No token, or none that was ever made: nothing is stored, and the answer asks for a bearer token."""
    before = services.stored()
    answer = await services.register(generate(), path, also=shown, registrar=by_token)
    assert answer.verdict == (401, "TOKEN_REQUIRED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert services.stored() == before


async def test_a_known_key_needs_no_token(services: Services, desk: Desk, by_token: Service) -> None:
    """It learns its uid, with or without one, and spends no use."""
    token = await desk.enrolment_token(uses=2)
    key = generate()
    first = await services.register(key, also=bearer(token), registrar=by_token)
    for also in ({}, bearer(token)):
        again = await services.register(key, also=also, registrar=by_token)
        assert (again.status, again.json["uid"], again.json["is_new"]) == (200, first.json["uid"], False)
    assert (await desk.get("/enrolment-tokens", limit=1))["tokens"][0]["uses_left"] == 1


@pytest.mark.parametrize("path", PATHS)
async def test_of_forty_at_once_three_use_a_token_of_three(
    services: Services, desk: Desk, by_token: Service, path: str
) -> None:
    """The uses are counted one by one, at two registrars at the same moment; nobody half registered."""
    token = await desk.enrolment_token(uses=3, label=f"forty {path}")
    with services.another_registrar(REGISTRATION="token") as other:
        answers = await asyncio.gather(
            *(
                services.register(generate(), path, also=bearer(token), registrar=registrar)
                for registrar in (by_token, other) * 20
            )
        )
    assert sorted(answer.verdict for answer in answers) == [(200, "")] * 3 + [(401, "TOKEN_REQUIRED")] * 37
    assert services.sql("SELECT uses_left FROM tokens WHERE label = %s", f"forty {path}") == [(0,)]
    kind = "agents" if path == "/register" else "tools"
    assert len((await desk.get(f"/{kind}", label=f"forty {path}"))[kind]) == 3


async def test_one_key_forty_times_at_once_spends_one_use(
    services: Services, desk: Desk, by_token: Service
) -> None:
    """A client that tries again and again costs its operator nothing."""
    token = await desk.enrolment_token(uses=3)
    key = generate()
    answers = await asyncio.gather(
        *(services.register(key, also=bearer(token), registrar=by_token) for _ in range(40))
    )
    assert len({answer.json["uid"] for answer in answers}) == 1
    assert sum(answer.json["is_new"] for answer in answers) == 1
    assert (await desk.get("/enrolment-tokens", limit=1))["tokens"][0]["uses_left"] == 2


async def test_an_expired_token(services: Services, desk: Desk, by_token: Service) -> None:
    """Its time is the database's: it ends without anybody doing anything."""
    token = await desk.enrolment_token(label="short", expires_in=1, uses=5)
    await asyncio.sleep(1.1)
    answer = await services.register(generate(), also=bearer(token), registrar=by_token)
    assert answer.verdict == (401, "TOKEN_REQUIRED")


async def test_a_revoked_token(services: Services, desk: Desk, by_token: Service) -> None:
    """It lets nobody in any more; who came in by it stays."""
    token = await desk.enrolment_token(uses=5)
    key = generate()
    await services.register(key, also=bearer(token), registrar=by_token)
    number = (await desk.get("/enrolment-tokens", limit=1))["tokens"][0]["id"]
    assert (await desk.do(f"/enrolment-tokens/{number}/revoke"))["changed"] is True
    assert (await desk.do(f"/enrolment-tokens/{number}/revoke"))["changed"] is False
    answer = await services.register(generate(), also=bearer(token), registrar=by_token)
    assert answer.verdict == (401, "TOKEN_REQUIRED")
    assert (await services.register(key, registrar=by_token)).status == 200


async def test_an_operators_token_is_no_enrolment_token(
    services: Services, desk: Desk, by_token: Service
) -> None:
    """Each kind of token is good for its own purpose alone."""
    answer = await services.register(generate(), also=bearer(desk.token), registrar=by_token)
    assert answer.verdict == (401, "TOKEN_REQUIRED")
    enrolment = await desk.enrolment_token()
    assert (await desk.call("GET", "/agents", headers=bearer(enrolment))).verdict == (401, "TOKEN_REQUIRED")


async def test_a_key_of_the_other_kind_spends_no_use(
    services: Services, desk: Desk, by_token: Service
) -> None:
    """An agent's key stays an agent's, and the refusal costs nothing."""
    agent = await services.agent()
    token = await desk.enrolment_token(uses=1)
    answer = await services.register(agent.key, "/tool/register", also=bearer(token), registrar=by_token)
    assert answer.verdict == (409, "KEY_TAKEN")
    assert (await desk.get("/enrolment-tokens", limit=1))["tokens"][0]["uses_left"] == 1


async def test_approval(services: Services, desk: Desk, by_approval: Service) -> None:
    """A new agent has its uid at once, and verifies from the moment an operator approves, at every verifier."""
    agent = await services.agent(by_approval)
    [found] = (await desk.get("/agents", uid=agent.uid, state="pending"))["agents"]
    assert found["uid"] == agent.uid
    for verifier in services.verifiers:
        assert (await services.verify(agent.sign(), verifier=verifier)).verdict == (403, "PENDING_AGENT")
    await desk.do(f"/agents/{agent.uid}/approve", reason="known to us")
    for verifier in services.verifiers:
        assert (await services.verify(agent.sign(), verifier=verifier)).verdict == (200, "")
    assert (await services.whoami(agent)).status == 200


async def test_approval_is_told_to_the_client(services: Services, by_approval: Service) -> None:
    """The answer of a registration says that the agent is pending, each time until it is not."""
    key = generate()
    for is_new in (True, False):
        answer = await services.register(key, registrar=by_approval)
        assert (answer.json["state"], answer.json["is_new"]) == ("pending", is_new)
    assert services.sql(
        "SELECT details FROM audit_events WHERE uid = %s AND event = 'agent.registered'", answer.json["uid"]
    ) == [({"state": "pending"},)]


async def test_a_pending_agent_can_be_refused(services: Services, desk: Desk, by_approval: Service) -> None:
    """Revoked before it ever verified; its key is nobody's for ever."""
    agent = await services.agent(by_approval)
    await desk.do(f"/agents/{agent.uid}/revoke")
    assert (await services.verify(agent.sign())).verdict == (401, "REVOKED_KEY")
    assert (await services.register(agent.key, registrar=by_approval)).verdict == (409, "KEY_REVOKED")


async def test_tools_wait_for_approval_too(services: Services, desk: Desk, by_approval: Service) -> None:
    """And are listed so."""
    answer = await services.register(generate(), "/tool/register", registrar=by_approval)
    assert answer.json["state"] == "pending"
    uid = answer.json["uid"]
    assert (await desk.do(f"/tools/{uid}/approve"))["state"] == "active"
    [tool] = (await desk.get("/tools", uid=uid))["tools"]
    assert tool["state"] == "active"


@pytest.mark.parametrize("path", PATHS)
async def test_closed(services: Services, desk: Desk, closed: Service, path: str) -> None:
    """Nobody new comes in, a token or not; a key that is known learns its uid."""
    key, before = generate(), services.stored()
    also = bearer(await desk.enrolment_token())
    for shown in ({}, also):
        answer = await services.register(key, path, also=shown, registrar=closed)
        assert answer.verdict == (403, "REGISTRATION_CLOSED")
    assert services.stored() == before
    uid = (await services.register(key, path)).json["uid"]
    known = await services.register(key, path, registrar=closed)
    assert (known.status, known.json["uid"], known.json["is_new"]) == (200, uid, False)


async def test_attaching_works_where_registration_is_closed(
    services: Services, desk: Desk, closed: Service
) -> None:
    """The way back for an agent that is there is no registration of a new one."""
    agent = await services.agent()
    token = (await desk.do(f"/agents/{agent.uid}/keys"))["token"]
    answer = await services.register(generate(), also=bearer(token), registrar=closed)
    assert (answer.status, answer.json["uid"]) == (200, agent.uid)
