"""Attacks on the admin API and on the states that it gives."""

import asyncio
import hmac
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

import bare_client
import signer
from operator_desk import Desk, dismiss, new_token
from services import BASE, DIRECTORY, HOST, Agent, Service, Services, jwk_body
from vestry_registrar import operators
from vestry_registrar.handlers.admin_routes import admin_routes
from vestry_signatures import generate

NOBODY = "agent-" + "0" * 24
CALLS = [
    ("GET", "/agents"),
    ("GET", f"/agents/{NOBODY}"),
    *(("POST", f"/agents/{NOBODY}/{verb}") for verb in ("suspend", "resume", "approve", "revoke", "keys")),
    ("POST", f"/agents/{NOBODY}/keys/{'A' * 43}/revoke"),
    ("GET", "/tools"),
    *(("POST", f"/tools/tool-{'0' * 24}/{verb}") for verb in ("approve", "revoke")),
    ("GET", "/enrolment-tokens"),
    ("POST", "/enrolment-tokens"),
    ("POST", "/enrolment-tokens/1/revoke"),
    ("GET", "/counts"),
]


@pytest.fixture
async def desk(services: Services) -> Desk:
    return await Desk.open(services)


@pytest.fixture(scope="module")
def by_approval(services: Services) -> Iterator[Service]:
    with services.another_registrar(REGISTRATION="approval") as registrar:
        yield registrar


def audited(services: Services) -> list[tuple[Any, ...]]:
    return services.sql("SELECT count(*) FROM audit_events")


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_admin_on_the_public_port(services: Services, desk: Desk, method: str, path: str) -> None:
    """Even with a token that counts there is nothing at the public ports of both services."""
    shown = {"Authorization": f"Bearer {desk.token}"}
    public = await services.call(method, f"/admin{path}", shown, b"{}" if method == "POST" else b"")
    assert public.verdict == (404, "NOT_FOUND")
    for port in (services.verifier.port, services.verifier.internal_port):
        answer = await bare_client.send(port, method, f"/admin{path}", shown, host=HOST)
        assert answer.status == 404


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_admin_without_a_token_that_counts(
    services: Services, desk: Desk, method: str, path: str
) -> None:
    """No call, reading or changing, does or tells anything: always the same 401, and nothing in the trail."""
    gone = await Desk.open(services)
    await dismiss(services.database_url, gone.name)
    before = services.stored(), audited(services)
    shown: list[Any] = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {gone.token}"},
        {"Authorization": f"Bearer {desk.token}x"},
        {"Authorization": f"Bearer {desk.token[:-1]}"},
        {"Authorization": f"Bearer {desk.token.swapcase()}"},
        {"Authorization": f"Basic {desk.token}"},
        {"Authorization": desk.token},
        {"Authorization": f"Bearer vestry_op_{secrets.token_urlsafe(32)}"},
        {"Cookie": f"token={desk.token}"},
        [("Authorization", f"Bearer {desk.token}"), ("Authorization", "Bearer other")],
    ]
    facts = {"reason": "x", "label": "x"} if method == "POST" else None
    answers = [await desk.call(method, path, facts, headers=headers) for headers in shown]
    assert {answer.verdict for answer in answers} == {(401, "TOKEN_REQUIRED")}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert len({answer.body for answer in answers}) == 1
    assert (services.stored(), audited(services)) == before


def test_every_route_is_attacked() -> None:
    """The list above is the whole admin API: a route that is added is attacked too."""
    anything: Any = None
    routes = admin_routes(anything, anything, anything, anything)
    assert len(routes) == len(CALLS)


async def test_admin_with_an_operator_revoked_a_moment_ago(services: Services, desk: Desk) -> None:
    """The very next call fails; another operator's still works, and the name may get a new token."""
    other = await Desk.open(services)
    assert (await desk.call("GET", "/counts")).status == 200
    await dismiss(services.database_url, desk.name)
    assert (await desk.call("GET", "/counts")).verdict == (401, "TOKEN_REQUIRED")
    assert (await other.call("GET", "/counts")).status == 200
    again = await new_token(services.database_url, desk.name)
    assert (await desk.call("GET", "/counts")).verdict == (401, "TOKEN_REQUIRED")
    assert (await desk.call("GET", "/counts", headers={"Authorization": f"Bearer {again}"})).status == 200


async def test_tokens_are_guessed_by_their_timing(
    services: Services, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is compared with every operator's, hash by hash, by `hmac.compare_digest`, also after it was found."""
    compared: list[tuple[bytes, bytes]] = []

    class Watched:
        @staticmethod
        def compare_digest(one: bytes, other: bytes) -> bool:
            compared.append((one, other))
            return hmac.compare_digest(one, other)

    monkeypatch.setattr(operators, "hmac", Watched)
    first = await desk.call("GET", "/counts")
    [[standing]] = services.sql("SELECT count(*) FROM operators WHERE revoked_at IS NULL")
    assert (first.status, len(compared)) == (200, standing)
    assert {len(one) for pair in compared for one in pair} == {32}


async def test_tokens_are_read_in_the_database(services: Services, desk: Desk) -> None:
    """No token of any kind stands there, only what cannot be turned back."""
    agent = await services.agent()
    tokens = [desk.token, await desk.enrolment_token(), (await desk.do(f"/agents/{agent.uid}/keys"))["token"]]
    rows = "".join(
        str(row)
        for table in ("operators", "tokens", "audit_events", "agents")
        for row in services.sql(f"SELECT t::text FROM {table} t")
    )
    for token in tokens:
        secret = token.rpartition("_")[2] if token.count("_") == 2 else token[len("vestry_op_") :]
        assert secret not in rows
        assert token.encode().hex() not in rows


async def test_tokens_are_read_in_the_log(services: Services, desk: Desk) -> None:
    """Neither a token that counts nor one that does not is ever written down; the operator's name is."""
    agent = await services.agent()
    wrong = f"vestry_op_{secrets.token_urlsafe(32)}"
    await desk.call("GET", "/agents", headers={"Authorization": f"Bearer {wrong}"})
    enrolment = await desk.enrolment_token()
    attach = (await desk.do(f"/agents/{agent.uid}/keys"))["token"]
    await services.register(generate(), also={"Authorization": f"Bearer {attach}"})
    await services.register(generate(), also={"Authorization": f"Bearer {enrolment}"})
    await desk.call("GET", f"/agents?token={desk.token}")
    await desk.call("GET", f"/{desk.token}")
    log = services.registrar.log
    for token in (desk.token, wrong, enrolment, attach):
        assert token not in log
        assert token[-40:] not in log
    assert desk.name in {line["operator"] for line in services.registrar.lines("admin")}


async def at_every_endpoint(services: Services, agent: Agent) -> dict[str, tuple[int, str]]:
    """What an agent is told wherever it can sign something."""
    found = {
        f"verify {number}": (await services.verify(agent.sign(), verifier=verifier)).verdict
        for number, verifier in enumerate(services.verifiers)
    }
    found["verify strictly"] = (await services.verify(agent.sign_strictly())).verdict
    found["whoami"] = (await services.whoami(agent)).verdict
    signed = agent.sign("POST", f"{BASE}/whoami")
    found["whoami by POST"] = (await services.call("POST", "/whoami", signed)).verdict
    found["rotate"] = (await services.rotate(agent, generate())).verdict
    for method, path in (("GET", "/keys"), ("POST", "/keys"), ("POST", "/revoke")):
        body = jwk_body(generate().public.jwk) if method == "POST" else b""
        answer = await services.call(method, path, agent.sign(method, BASE + path), body)
        if answer.status != 404:
            found[f"{method} {path}"] = answer.verdict
    return found


async def test_a_suspended_agent_at_every_endpoint(services: Services, desk: Desk) -> None:
    """It can do nothing anywhere, warm or cold, change nothing, and its directory is empty."""
    agent = await services.agent()
    assert (await services.verify(agent.sign())).status == 200
    await desk.do(f"/agents/{agent.uid}/suspend")
    before = services.stored()
    assert set((await at_every_endpoint(services, agent)).values()) <= {
        (401, "SUSPENDED_AGENT"),
        (401, "PROOF_REQUIRED"),
        (400, "MALFORMED_REQUEST"),
    }
    found = await at_every_endpoint(services, agent)
    for name in ("verify 0", "verify 1", "verify strictly", "whoami", "whoami by POST", "rotate"):
        assert found[name] == (401, "SUSPENDED_AGENT"), name
    assert services.stored() == before
    assert await services.directory(agent) == []
    fallback = await services.call("GET", f"/agents/{agent.uid}{DIRECTORY}")
    assert fallback.json == {"keys": []}


async def test_a_suspended_agent_registers_its_key_again(services: Services, desk: Desk) -> None:
    """It learns its uid and stays suspended."""
    agent = await services.agent()
    await desk.do(f"/agents/{agent.uid}/suspend")
    answer = await services.register(agent.key)
    assert (answer.json["uid"], answer.json["is_new"], answer.json["state"]) == (
        agent.uid,
        False,
        "suspended",
    )
    assert (await services.verify(agent.sign())).verdict == (401, "SUSPENDED_AGENT")


async def test_a_suspended_agent_gets_another_key(services: Services, desk: Desk) -> None:
    """An attached key is as suspended as its agent."""
    agent, new = await services.agent(), generate()
    token = (await desk.do(f"/agents/{agent.uid}/keys"))["token"]
    await desk.do(f"/agents/{agent.uid}/suspend")
    assert (await services.register(new, also={"Authorization": f"Bearer {token}"})).status == 200
    assert (await services.verify(Agent(new, agent.uid).sign())).verdict == (401, "SUSPENDED_AGENT")


async def test_a_pending_agent_at_every_endpoint(
    services: Services, desk: Desk, by_approval: Service
) -> None:
    """It can do nothing anywhere until it is approved, whatever it registers or rotates."""
    agent = await services.agent(by_approval)
    found = await at_every_endpoint(services, agent)
    for name in ("verify 0", "verify 1", "verify strictly", "whoami", "whoami by POST", "rotate"):
        assert found[name] == (403, "PENDING_AGENT"), name
    assert not any(status == 200 for status, _ in found.values())
    assert await services.directory(agent) == []
    # An open registrar on the same database does not approve it either.
    assert (await services.register(agent.key)).json["state"] == "pending"
    assert (await services.verify(agent.sign())).verdict == (403, "PENDING_AGENT")


async def test_a_revoked_agent_registers_the_same_key(services: Services, desk: Desk) -> None:
    """Not as itself, not as a tool, not through another agent's rotation or attach token."""
    agent, other = await services.agent(), await services.agent()
    token = (await desk.do(f"/agents/{other.uid}/keys"))["token"]
    await desk.do(f"/agents/{agent.uid}/revoke")
    also = {"Authorization": f"Bearer {token}"}
    assert (await services.register(agent.key)).verdict == (409, "KEY_REVOKED")
    assert (await services.register(agent.key, "/tool/register")).verdict == (409, "KEY_TAKEN")
    assert (await services.register(agent.key, also=also)).verdict == (409, "KEY_TAKEN")
    assert (await services.rotate(other, agent.key)).verdict == (409, "KEY_TAKEN")
    assert (await services.verify(agent.sign())).verdict == (401, "REVOKED_KEY")


async def test_a_strangers_key_is_attached_without_its_private_half(services: Services, desk: Desk) -> None:
    """The token alone attaches nothing: the key in the body must have signed."""
    agent, strangers, mine = await services.agent(), generate(), generate()
    token = (await desk.do(f"/agents/{agent.uid}/keys"))["token"]

    signed = signer.sign(mine, "POST", f"{BASE}/register", tag="null", keyid=strangers.public.kid)
    headers = {**signed, "Authorization": f"Bearer {token}"}
    answer = await services.call("POST", "/register", headers, jwk_body(strangers.public.jwk))
    assert answer.verdict == (401, "INVALID_SIGNATURE")
    assert len((await desk.get(f"/agents/{agent.uid}"))["keys"]) == 1


async def test_an_attach_token_after_its_time(services: Services, desk: Desk) -> None:
    """It attaches nothing, and makes no new agent of whoever shows it."""
    agent = await services.agent()
    token = (await desk.do(f"/agents/{agent.uid}/keys", expires_in=1))["token"]
    await asyncio.sleep(1.1)
    before = services.stored()
    answer = await services.register(generate(), also={"Authorization": f"Bearer {token}"})
    assert answer.verdict == (401, "TOKEN_REQUIRED")
    assert services.stored() == before


async def test_a_body_that_says_things_twice_or_too_much(services: Services, desk: Desk) -> None:
    """What is read one way here and another way elsewhere is refused, and nothing is done."""
    agent = await services.agent()
    for body in (b'{"reason":"a","reason":"b"}', b"[]", b"", b'{"reason":"' + b"x" * 20_000 + b'"}'):
        answer = await bare_client.send(
            services.registrar.internal_port,
            "POST",
            f"/admin/agents/{agent.uid}/revoke",
            {"Authorization": f"Bearer {desk.token}"},
            body,
            "registrar",
        )
        assert answer.status in {400, 413}
    assert (await services.verify(agent.sign())).status == 200


@pytest.mark.parametrize("name", ["", " ", "a b", "a" * 65, "ä", "-x", "a\nb", "'; DROP TABLE operators"])
async def test_operators_with_misleading_names(services: Services, name: str) -> None:
    """A name is one word that can be told from every other in the trail."""
    with pytest.raises(operators.WrongName):
        await new_token(services.database_url, name)


async def test_two_operators_of_one_name(services: Services, desk: Desk) -> None:
    """While one has it nobody else gets it, also at the same moment."""
    with pytest.raises(operators.WrongName):
        await new_token(services.database_url, desk.name)
    made = await asyncio.gather(
        *(new_token(services.database_url, "both") for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(each, str) for each in made) == 1
