"""Attacks with names: who is taken for a foreign agent, and is not."""

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from redis import Redis

from bare_client import send
from foreign_hosts import Foreign, foreign_world
from services import BASE, TOOL, Agent, Services
from vestry_signatures import PrivateKey, generate

UNTRUSTED = (401, "UNTRUSTED_SIGNATURE_AGENT")
INVALID = (401, "INVALID_SIGNATURE_AGENT")
AWAY = (503, "DIRECTORY_UNREACHABLE")


async def test_a_foreign_agent(services: Services) -> None:
    """What all the rest of this file tries to get without being it: the host in `uid`, once."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent)
        signed = agent.sign_strictly()
        answer = await world.verify(signed)
        assert answer.status == 200, answer.body
        assert (answer.json["uid"], answer.json["agent_url"]) == (agent.uid, agent.url)
        assert answer.json["kid"] == agent.key.public.kid
        assert (await world.verify(signed)).verdict == (401, "REPLAYED_NONCE")
        assert (await world.verify(agent.sign_strictly())).status == 200
        assert (world.host.connections, world.names.asked) == (1, ["bot.example"])


async def test_suffix_and_prefix_look_alikes(services: Services) -> None:
    """A host that contains, begins or ends with one that is believed is another one, and is not contacted."""
    async with foreign_world(services) as world:
        port = world.host.port
        for host in (
            f"evil-bot.example:{port}",
            f"bot.example.evil.test:{port}",
            f"x.bot.example:{port}",
            f"evil.test:{port}/bot.example:{port}",
            f"evil.test:{port}?bot.example:{port}",
            f"bot.example:{port}0",
            f"bot.example:1{port}",
            "bot.example",
            f"bot.example:80:{port}",
            f"bot.example:{port}.evil.test",
            f"b0t.example:{port}",
        ):
            answer = await world.verify(Agent(uid=host).sign_strictly(named=f'sig1="https://{host}"'))
            assert answer.verdict in {UNTRUSTED, INVALID}, host
        assert (world.host.connections, world.names.asked) == (0, [])


async def test_names_that_can_be_read_in_two_ways(services: Services) -> None:
    """Userinfo, a trailing dot, look-alikes outside ASCII, odd ports and addresses: refused before anything else."""
    async with foreign_world(services, TOOL_FQDN_REGEX=".*") as world:
        port = world.host.port
        for url in (
            f"https://bot.example@evil.test:{port}",
            f"https://bot.example:{port}@evil.test",
            f"https://bot.example.:{port}",
            f"https://bot.example%2eevil.test:{port}",
            f"https://bot.example\\\\.evil.test:{port}",
            f"https://bot.example:{port}#.evil.test",
            f"https://bot.example:0x{port:x}",
            f"https://bot.example:+{port}",
            f"https://bot.example:{port + 65536}",
            f"https://b\u043et.example:{port}",
            f"https://bot\u3002example:{port}",
            f"http://bot.example:{port}",
            f"http://localhost.evil.test:{port}",
            f"https://2130706433:{port}",
            f"https://0x7f000001:{port}",
            f"https://0x7f.0x0.0x0.0x1:{port}",
            f"https://0177.0.0.1:{port}",
            f"https://017700000001:{port}",
            f"https://127.1:{port}",
            f"https://127.0.0.1.:{port}",
            f"https://[::1%25lo]:{port}",
            f"https://[127.0.0.1]:{port}",
            f"https://[fe80::1%eth0]:{port}",
            f"https://bot.example:{port}/a|b",
            f"https://bot.example:{port}/<tenant>",
            f"https://bot.example:{port}/^?`{{x}}",
            f"https://bot.example:{port}/%7",
        ):
            answer = await world.verify(Agent().sign_strictly(named=f'sig1="{url}"', base=b""))
            assert answer.verdict == INVALID, url
        assert (world.host.connections, world.names.asked) == (0, [])


async def test_regular_expression_blow_up(services: Services) -> None:
    """A pattern that would keep a backtracking matcher busy for years is matched at once."""
    host = "a" * 60 + "." + "a" * 60 + "." + "a" * 60 + ".test"
    async with foreign_world(services, TOOL_FQDN_REGEX=r"((a+)+\.)*((a|a)*)*b\.example") as world:
        started = time.monotonic()
        answer = await world.verify(Agent(uid=host).sign_strictly(named=f'sig1="https://{host}"'))
        assert answer.verdict == UNTRUSTED
        assert time.monotonic() - started < 1


async def test_host_that_is_called_as_an_agent_of_ours(services: Services) -> None:
    """`agent-…` is only ever ours: no host of that name is believed, and none under the registrar's own."""
    victim = await services.agent()
    async with foreign_world(services, TOOL_FQDN_REGEX=".*") as world:
        for host in (
            victim.uid,
            f"{victim.uid}.agents.example:{world.host.port}",
            f"agents.example:{world.host.port}",
        ):
            thief = Foreign(uid=host)
            world.names.point(host.partition(":")[0], ["127.0.0.1"])
            world.host.publish(thief)
            for named in (None, f'sig1="https://{host}/jwks";type=jwks_uri'):
                answer = await world.verify(thief.sign_strictly(named=named))
                assert answer.verdict == UNTRUSTED, host
        assert world.host.connections == 0


async def test_key_of_one_host_served_by_another(services: Services) -> None:
    """Who publishes a victim's key gets an identity of his own by it, never the victim's; and cannot sign with it."""
    async with foreign_world(services) as world:
        victim = world.agent("bot.example")
        thief = world.agent("other.example", "/jwks.json")
        world.host.publish(victim)
        world.host.publish(victim, thief, at="/jwks.json")
        assert (await world.verify(thief.sign_strictly())).json["uid"] == thief.uid
        # The thief's key is known here now, and does not count for the victim's host.
        assert (await world.verify(thief.at(victim.uid).sign_strictly(named=victim.header))).verdict == (
            401,
            "UNKNOWN_KEY",
        )
        # The victim's own signature stays his; with another Signature-Agent it does not verify.
        signed = victim.sign_strictly()
        stolen = {**signed, "Signature-Agent": thief.header}
        assert (await world.verify(stolen)).verdict == (401, "INVALID_SIGNATURE")
        assert (await world.verify(signed)).json["uid"] == victim.uid


async def test_uncovered_signature_agent(services: Services) -> None:
    """A signature that leaves Signature-Agent uncovered is nobody's at a foreign host: any host could claim it."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent)
        assert (await world.verify(agent.sign())).verdict == UNTRUSTED
        assert world.host.connections == 0


async def test_tenant_of_a_shared_host_posing_as_the_host(services: Services) -> None:
    """Keys at some path of a host make nobody that host, in any form or spelling."""
    async with foreign_world(services) as world:
        owner = world.agent("shared.example")
        tenant = world.agent("shared.example", "/tenant/jwks.json")
        world.host.publish(owner)
        world.host.publish(tenant, at="/tenant/jwks.json")
        world.host.publish(tenant, at="/?tenant")
        for named in (tenant.header, f"{tenant.header};type=jwks_uri"):
            answer = await world.verify(tenant.sign_strictly(named=named))
            assert answer.json["uid"] == f"{owner.uid}/tenant/jwks.json"
            assert answer.json["agent_url"] == tenant.url
        by_query = await world.verify(tenant.sign_strictly(named=f'sig1="{owner.url}/?tenant"'))
        assert by_query.json["uid"] == f"{owner.uid}/"
        for path in ("", "/", "/tenant/..", "/.well-known/http-message-signatures-directory"):
            posing = await world.verify(tenant.sign_strictly(named=f'sig1="{owner.url}{path}"'))
            assert posing.verdict in {(401, "UNKNOWN_KEY"), AWAY}, path


async def test_cache_poisoning_by_query(services: Services) -> None:
    """What a query brings is kept for that query alone: it takes nobody's place."""
    async with foreign_world(services) as world:
        owner = world.agent("bot.example", "/jwks.json")
        guest = world.agent("bot.example", "/jwks.json")
        world.host.publish(owner, at="/jwks.json")
        world.host.publish(guest, at="/jwks.json?guest")
        assert (await world.verify(guest.sign_strictly(named=f'sig1="{guest.url}?guest"'))).status == 200
        assert (await world.verify(guest.sign_strictly())).verdict == (401, "UNKNOWN_KEY")
        assert (await world.verify(owner.sign_strictly())).status == 200
        assert (await world.verify(guest.sign_strictly(named=f'sig1="{guest.url}?%67uest"'))).status == 200
        assert world.host.targets == ["/jwks.json?guest", "/jwks.json"]


async def test_forged_signature_of_a_foreign_agent_burning_its_nonce(services: Services) -> None:
    """Nothing is spent for a signature that does not verify, nor for one whose directory cannot be had."""
    async with foreign_world(services) as world:
        agent = world.agent()
        signed = agent.sign_strictly(nonce="once")
        spent = services.spent()
        world.host.replies["*"] = b"HTTP/1.1 500 No\r\n\r\n"
        assert (await world.verify(signed)).verdict == AWAY
        assert services.spent() <= spent
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent)
        thief = Foreign(generate(), agent.uid)
        for forged in (
            thief.sign_strictly(nonce="once", keyid=agent.key.public.kid),
            {**agent.sign_strictly(nonce="once"), "Signature": "sig1=:AAAA:"},
        ):
            assert (await world.verify(forged)).verdict == (401, "INVALID_SIGNATURE")
        assert (await world.verify(agent.sign_strictly(nonce="once"))).status == 200


async def test_foreign_agent_at_the_registrar(services: Services) -> None:
    """The registrar knows its own agents alone, whatever the verifier believes."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent)
        headers = agent.sign_strictly("GET", f"{BASE}/whoami")
        assert (await services.call("GET", "/whoami", headers)).verdict == UNTRUSTED
        assert world.host.connections == 0


async def test_private_key_published_by_mistake(services: Services) -> None:
    """It proves nothing any more, and is not spread: Redis keeps public members alone."""
    async with foreign_world(services) as world:
        exposed, good = world.agent(), world.agent()
        world.host.publish(exposed, good, d="c2VjcmV0")
        assert (await world.verify(exposed.sign_strictly())).verdict == (401, "UNKNOWN_KEY")
        with Redis.from_url(services.redis_url) as store:
            kept = [store.get(key) for key in store.scan_iter("d{*", count=1000)]
        assert kept
        assert not any(b"c2VjcmV0" in (value or b"") for value in kept)


@pytest.mark.parametrize(
    ("named", "wanted"),
    [
        ('sig1="{url}";type=cimd', INVALID),
        ('sig1="{url}/jwks.json";type=directory', INVALID),
        ('sig1="{url}/jwks.json";other', INVALID),
        ("sig1=1", INVALID),
        ('sig1=("{url}")', INVALID),
    ],
)
async def test_form_that_no_draft_reads(services: Services, named: str, wanted: tuple[int, str]) -> None:
    """An unknown type, or parameters where there must be none: the member is ignored, and nobody is asked."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent, at="*")
        answer = await world.verify(agent.sign_strictly(named=named.format(url=agent.url)))
        assert answer.verdict == wanted
        assert world.host.connections == 0


@pytest.mark.parametrize(
    ("drafts", "path", "parameters", "passes"),
    [
        ("meunier-02", "", "", True),
        ("meunier-02", "/jwks.json", "", False),
        ("meunier-02", "/jwks.json", ";type=jwks_uri", True),
        ("ietf-01", "", "", True),
        ("ietf-01", "/jwks.json", "", True),
        ("ietf-01", "/jwks.json", ";type=jwks_uri", False),
        ("ietf-01", "", ";type=directory", False),
    ],
)
async def test_drafts_that_are_switched_off(
    services: Services, drafts: str, path: str, parameters: str, passes: bool
) -> None:
    """Each draft reads its own forms; of a form whose draft is off nothing is fetched."""
    async with foreign_world(services, SIGNATURE_AGENT_DRAFTS=drafts) as world:
        agent = world.agent(path=path)
        at = {"": "/" if drafts == "ietf-01" else "/.well-known/http-message-signatures-directory"}.get(
            path, path
        )
        world.host.publish(agent, at=at)
        answer = await world.verify(agent.sign_strictly(named=agent.header + parameters))
        assert answer.verdict[0] == (200 if passes else 401), answer.body
        assert world.host.targets == ([at] if passes else [])


KINDS = {
    "ecdsa-p256-sha256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384-sha384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa-pss-sha512": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("alg", KINDS)
async def test_algorithms_that_are_not_allowed(services: Services, alg: str) -> None:
    """Keys of other kinds count where ALGORITHMS names them, and nowhere else, whether `alg` is stated or not."""
    key = PrivateKey(KINDS[alg]())
    async with foreign_world(services) as world:
        agent = Foreign(key, world.agent().uid)
        world.host.publish(agent)
        assert (await world.verify(agent.sign_strictly(alg=alg))).verdict == (401, "UNSUPPORTED_ALG")
        assert (await world.verify(agent.sign_strictly(alg=None))).verdict == (401, "UNKNOWN_KEY")
    async with foreign_world(services, ALGORITHMS=f"ed25519,{alg}") as world:
        agent = Foreign(key, world.agent().uid)
        world.host.publish(agent)
        for stated in (alg, None):
            signed = agent.sign_strictly(alg=stated, nonce=None)
            answer = await world.verify(signed)
            assert (answer.status, answer.json["public_jwk"]) == (200, key.public.jwk)
            assert (await world.verify(signed)).verdict == (401, "REPLAYED_NONCE")
        assert (await world.verify(agent.sign_strictly(alg="ed25519"))).verdict == (401, "UNSUPPORTED_ALG")


async def test_twin_of_an_ecdsa_signature(services: Services) -> None:
    """(r, s) and (r, -s) verify alike, and are one signature: without a nonce the second one is a replay."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    async with foreign_world(services, ALGORITHMS="ecdsa-p256-sha256") as world:
        agent = Foreign(PrivateKey(ec.generate_private_key(ec.SECP256R1())), world.agent().uid)
        world.host.publish(agent)
        signed = agent.sign_strictly(alg="ecdsa-p256-sha256", nonce=None)
        value = base64.b64decode(signed["Signature"].removeprefix("sig1=:").removesuffix(":"))
        twin = value[:32] + (order - int.from_bytes(value[32:], "big")).to_bytes(32, "big")
        assert (await world.verify(signed)).status == 200
        twin_signed = {**signed, "Signature": f"sig1=:{base64.b64encode(twin).decode()}:"}
        assert (await world.verify(twin_signed)).verdict == (401, "REPLAYED_NONCE")


async def test_batch_of_foreign_agents(services: Services) -> None:
    """In a batch foreign agents are what they are alone: each once, a bad one spoiling no other."""
    async with foreign_world(services) as world:
        first, second, ours = (
            world.agent(),
            world.agent("other.example", "/jwks.json"),
            await services.agent(),
        )
        world.host.publish(first)
        world.host.publish(second, at="/jwks.json")
        stranger = world.agent("evil.test")
        signed = [each.sign_strictly() for each in (first, second, ours, stranger)]
        questions = [{"method": "GET", "url": TOOL, "headers": headers} for headers in (*signed, signed[0])]
        body = json.dumps({"requests": questions}).encode()
        kind = {"Content-Type": "application/json"}
        answer = await send(world.verifier.port, "POST", "/verify/batch", kind, body, "v")
        results = answer.json["results"]
        assert [each.get("uid") for each in results] == [first.uid, second.uid, ours.uid, None, None]
        assert [each["error"]["reason"] for each in results[3:]] == [UNTRUSTED[1], "REPLAYED_NONCE"]
