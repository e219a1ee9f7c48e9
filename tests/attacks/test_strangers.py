"""Attacks with names: hosts that are not ours, keys that nobody has, floods of both."""

import asyncio
import time
from collections import Counter

import pytest
from redis import Redis

from bare_client import send
from listeners import listening_with, response
from services import BASE, HOST, Agent, Services, jwk_body, until
from vestry_service.live_records import record_key
from vestry_signatures import generate

NOBODY = "agent-" + "0" * 24
UNTRUSTED = "UNTRUSTED_SIGNATURE_AGENT"
INVALID = "INVALID_SIGNATURE_AGENT"


@pytest.mark.parametrize(
    ("spelling", "reason"),
    [
        ("https://bot.example", UNTRUSTED),
        ("https://{uid}.agents.example.evil.example", UNTRUSTED),
        ("https://{uid}.evil-agents.example", UNTRUSTED),
        ("https://{uid}agents.example", UNTRUSTED),
        ("https://x.{uid}.agents.example", UNTRUSTED),
        ("https://{uid}.agents.example:444", UNTRUSTED),
        ("https://agents.example", UNTRUSTED),
        ("https://agents.example/agents/", UNTRUSTED),
        ("https://agents.example/x/../agents/{uid}", UNTRUSTED),
        ("https://agents.example/?/agents/{uid}", UNTRUSTED),
        ("https://{uid}0.agents.example", UNTRUSTED),
        ("https://evil.example/{uid}.agents.example", UNTRUSTED),
        ("https://evil.example\\\\.{uid}.agents.example", INVALID),
        ("https://{uid}.agents.example@evil.example", INVALID),
        ("https://user:password@{uid}.agents.example", INVALID),
        ("https://evil.example#{uid}.agents.example", INVALID),
        ("https://{uid}.agents.example.", INVALID),
        ("https://{uid}.agents.example.:443", INVALID),
        ("https://{uid}.agents.example:99999", INVALID),
        ("https://%61gent-{uid}.agents.example", INVALID),
        ("https:/{uid}.agents.example", INVALID),
        ("//{uid}.agents.example", INVALID),
        ("{uid}.agents.example", INVALID),
        ("ftp://{uid}.agents.example", INVALID),
        ("file:///etc/passwd", INVALID),
        ("javascript:alert(1)", INVALID),
        ("data:application/json,x", INVALID),
        ("https://", INVALID),
        ("", INVALID),
    ],
)
async def test_hosts_that_look_like_ours(services: Services, spelling: str, reason: str) -> None:
    """Nothing but one of our agents' own URLs is believed, however much it looks like one."""
    agent = await services.agent()
    named = f'sig1="{spelling.format(uid=agent.uid)}"'
    assert (await services.verify(agent.sign(named=named))).verdict == (401, reason)
    assert (await services.whoami(agent, named=named)).verdict == (401, reason)


@pytest.mark.parametrize(
    "form",
    [
        'sig1="http://127.0.0.1:{port}"',
        'sig1="http://localhost:{port}/"',
        'sig1="http://agent-000000000000000000000000.localhost:{port}"',
        'sig1="http://localhost:{port}/jwks.json";type=jwks_uri',
        '"http://127.0.0.1:{port}"',
        "sig1=localhost:{port}",
    ],
)
async def test_foreign_host_contacted(services: Services, form: str) -> None:
    """A host that is not ours is refused, and nobody connects to it: not the verifier, not the registrar."""
    agent = await services.agent()
    async with listening_with(response("200 OK", b'{"keys":[]}')) as foreign:
        named = form.format(port=foreign.port)
        for covered in (('"@authority"',), ('"@authority"', '"signature-agent"')):
            wanted = INVALID if named.startswith('"') and len(covered) == 1 else UNTRUSTED
            asked = await services.verify(agent.sign(named=named, covered=covered))
            assert asked.verdict == (401, wanted)
            assert (await services.whoami(agent, named=named, covered=covered)).verdict == (401, wanted)
        await asyncio.sleep(0.05)
        assert foreign.connections == 0


async def test_key_of_one_agent_under_anothers_url(services: Services) -> None:
    """A signature that is right but names another agent is that of an unknown key, warm and cold."""
    victim, thief = await services.agent(), await services.agent()
    for agent in (victim, thief):
        assert (await services.verify(agent.sign())).status == 200
    for verifier in services.verifiers:
        for headers in (thief.at(victim.uid).sign(), thief.at(victim.uid).sign_strictly()):
            answer = await services.verify(headers, verifier=verifier)
            assert answer.verdict == (401, "UNKNOWN_KEY")
            assert answer.error["outcome"] == "unverified"
    assert (await services.whoami(thief.at(victim.uid))).verdict == (401, "UNKNOWN_KEY")


async def test_unsigned(services: Services) -> None:
    """A request without a signature is `unsigned`, everywhere, and names nobody."""
    agent = await services.agent()
    body = jwk_body(generate().public.jwk)
    answers = [await services.verify({"Signature-Agent": agent.header}), await services.verify({})]
    for method, path in (
        ("POST", "/register"),
        ("POST", "/tool/register"),
        ("POST", "/rotate"),
        ("GET", "/whoami"),
        ("POST", "/whoami"),
    ):
        answers.append(await services.call(method, path, {"Signature-Agent": agent.header}, body))
    for answer in answers:
        assert answer.verdict == (401, "MISSING_SIGNATURE_INPUT")
        assert answer.error["outcome"] == "unsigned"


@pytest.mark.parametrize(
    "keyid",
    ["/../../../../metrics?" + "x" * 22, "../../../../livez#" + "x" * 25, "%00" + "x" * 40, "x" * 42 + "}"],
)
async def test_keyid_that_climbs_out_of_the_registrars_path(services: Services, keyid: str) -> None:
    """A keyid that is no thumbprint is asked of nobody: it cannot choose what is asked on the internal port."""
    assert len(keyid) == 43
    async with listening_with(response("200 OK", b'{"record":null}')) as internal:
        with services.another_verifier(REGISTRAR_URL=internal.url) as verifier:
            answer = await services.verify(Agent(generate(), NOBODY).sign(keyid=keyid), verifier=verifier)
    assert answer.verdict == (401, "UNKNOWN_KEY")
    assert internal.heads == []


@pytest.mark.parametrize("path", ["%00", "x" * 42 + "%00", "..%2f..%2fmetrics", "%F0%9F%94%91" * 43])
async def test_internal_question_for_what_is_no_kid(services: Services, path: str) -> None:
    """Whatever stands where a kid should, the registrar knows of no such pair, and its database is not troubled."""
    for uid in (NOBODY, "agent-%00", "tool-" + "0" * 24):
        target = f"/internal/agents/{uid}/keys/{path}"
        answer = await send(services.registrar.internal_port, "GET", target, host="internal")
        assert answer.status in {200, 404}
        assert answer.status == 404 or answer.json == {"record": None}


async def test_flood_of_unknown_kids_filling_the_store(services: Services) -> None:
    """Signatures of keys that nobody has leave nothing in the store, whatever nonces they bring."""
    victim = await services.agent()
    with Redis.from_url(services.redis_url) as client:
        before = client.dbsize()
        flood = [Agent(generate(), uid) for uid in (victim.uid, NOBODY) for _ in range(60)]
        answers = await asyncio.gather(*(services.whoami(stranger) for stranger in flood[:20]))
        for some in range(0, len(flood), 20):  # more at once, and a busy machine answers 503
            answers += await asyncio.gather(
                *(services.verify(each.sign()) for each in flood[some : some + 20])
            )
        assert Counter(answer.verdict for answer in answers) == {(401, "UNKNOWN_KEY"): 140}
        assert client.dbsize() <= before  # what others left there may end meanwhile


async def test_strangers_asking_for_unknown_kids_while_a_rotated_in_key_is_used_at_once(
    services: Services,
) -> None:
    """A new key works at the first request after its rotation, whatever strangers ask at the same time."""
    agent = await services.agent()
    stop = asyncio.Event()

    async def strangers() -> None:
        while not stop.is_set():
            flood = (Agent(generate(), agent.uid).sign() for _ in range(8))
            await asyncio.gather(*map(services.verify, flood))

    async with asyncio.TaskGroup() as group:
        group.create_task(strangers())
        for _ in range(10):
            new = Agent(generate(), agent.uid)
            assert (await services.rotate(agent, new.key)).status == 200
            for verifier in services.verifiers:
                assert (await services.verify(new.sign(), verifier=verifier)).status == 200
                assert (await services.verify(agent.sign(), verifier=verifier)).verdict == (
                    401,
                    "REVOKED_KEY",
                )
            agent = new
        stop.set()


async def test_stranger_asking_for_the_new_key_just_before_its_rotation(services: Services) -> None:
    """That a kid was unknown a moment ago does not keep it unknown."""
    agent = await services.agent()
    new = Agent(generate(), agent.uid)
    for verifier in services.verifiers:
        assert (await services.verify(new.sign(), verifier=verifier)).verdict == (401, "UNKNOWN_KEY")
    assert (await services.rotate(agent, new.key)).status == 200
    for verifier in services.verifiers:
        assert (await services.verify(new.sign(), verifier=verifier)).status == 200


async def test_stranger_asking_for_a_key_just_before_its_registration(services: Services) -> None:
    """Nor does it keep a newly registered key from being used at once."""
    key = generate()
    early = Agent(key, NOBODY)
    assert (await services.verify(early.sign())).verdict == (401, "UNKNOWN_KEY")
    uid = (await services.register(key)).json["uid"]
    assert (await services.verify(Agent(key, uid).sign())).status == 200


async def test_strangers_taking_all_questions_to_the_registrar(services: Services) -> None:
    """While strangers hold every place to ask at a registrar that hangs, known agents are verified at once."""
    agent = await services.agent()
    async with listening_with(response("200 OK", b"{}"), delay=1.5) as slow:
        with services.another_verifier(REGISTRAR_URL=slow.url) as verifier:
            flood = [Agent(generate(), NOBODY) for _ in range(40)]
            waiting = [asyncio.create_task(services.verify(each.sign(), verifier=verifier)) for each in flood]
            await until(slow.has_been_asked(12))
            started = time.monotonic()
            assert (await services.verify(agent.sign(), verifier=verifier)).status == 200
            assert time.monotonic() - started < 1
            assert slow.connections == 12, "no more than 12 questions of strangers at once"
            answers = await asyncio.gather(*waiting)
    assert {answer.verdict for answer in answers} == {(503, "DIRECTORY_UNREACHABLE")}


async def test_strangers_standing_in_line_before_an_agent_whose_record_has_expired(
    services: Services,
) -> None:
    """Who has proven to hold a key that is known does not wait behind strangers for its record to be written anew."""
    agent = await services.agent()
    kid = agent.key.public.kid
    path = f"/internal/agents/{agent.uid}/keys/{kid}"
    told = (await send(services.registrar.internal_port, "GET", path, host="registrar")).body
    async with listening_with(response("200 OK", told)) as slow:
        with services.another_verifier(REGISTRAR_URL=slow.url) as verifier:
            assert (await services.verify(agent.sign(), verifier=verifier)).status == 200
            with Redis.from_url(services.redis_url) as store:
                store.delete(record_key(kid))
            slow.answering.clear()
            flood = [Agent(generate(), NOBODY) for _ in range(60)]
            waiting = [asyncio.create_task(services.verify(each.sign(), verifier=verifier)) for each in flood]
            await until(slow.has_been_asked(12))
            honest = asyncio.create_task(services.verify(agent.sign(), verifier=verifier))
            await until(slow.has_been_asked(13))
            assert path in slow.heads[-1]
            await send(
                services.registrar.internal_port, "GET", path, host="registrar"
            )  # what the registrar does
            slow.answering.set()
            assert (await honest).status == 200
            await asyncio.gather(*waiting)


async def test_uid_that_nobody_has(services: Services) -> None:
    """An agent that does not exist has no key and no directory."""
    stranger = Agent(generate(), NOBODY)
    assert (await services.verify(stranger.sign())).verdict == (401, "UNKNOWN_KEY")
    assert (await services.call("GET", "/", host=f"{NOBODY}.{HOST}")).verdict == (404, "NOT_FOUND")
    url = f"{BASE}/agents/{NOBODY}/.well-known/http-message-signatures-directory"
    headers = stranger.sign(named=f'sig1="{url}"')
    assert (await services.verify(headers)).verdict == (401, "UNKNOWN_KEY")
