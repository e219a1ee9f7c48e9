"""Attacks with names: what a foreign host, or whoever names it, may do to the verifier that fetches its directory."""

import asyncio
import functools
import gzip
import json
import socket
import time
from collections.abc import Callable
from email.utils import formatdate

import pytest
from redis import Redis

from foreign_hosts import Foreign, Host, World, directory, foreign_world, listening_host, make_stale, reply
from services import DIRECTORY, Agent, Services, until
from vestry_signatures import generate

AWAY = (503, "DIRECTORY_UNREACHABLE")
UNKNOWN = (401, "UNKNOWN_KEY")


async def refused(world: World, agent: Agent, result: str) -> None:
    """Expect that an agent's directory is not had, for one reason."""
    assert (await world.verify(agent.sign_strictly())).verdict == AWAY
    assert world.fetches(result) == 1, world.verifier.lines()


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1",
    "2002:7f00:1::", "2001:0:7f00:1::", "fe80::1", "fc00::1", "ff02::1",
]  # fmt: skip


async def test_name_that_resolves_into_our_own_network(services: Services) -> None:
    """No private address is connected to, in whatever clothes it comes, nor where public ones come with it."""
    async with foreign_world(services, TOOL_FQDN_REGEX=".*", FETCH_ALLOW_PRIVATE="") as world:
        agents = []
        for number, address in enumerate(PRIVATE):
            world.names.point(f"n{number}.bots.example", [address])
            world.names.point(f"m{number}.bots.example", ["93.184.216.34", address])
            agents += [world.agent(f"{kind}{number}.bots.example") for kind in "nm"]
        answers = await asyncio.gather(*(world.verify(agent.sign_strictly()) for agent in agents))
        assert {answer.verdict for answer in answers} == {AWAY}
        assert world.fetches("address_refused") == len(agents)
        assert world.host.connections == 0


SPELLINGS = ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::127.0.0.1]", "[::]"]


async def test_private_address_by_every_spelling(services: Services) -> None:
    """An address in the place of a name is judged too, though nothing is looked up for it."""
    async with foreign_world(services, TOOL_FQDN_REGEX=".*", FETCH_ALLOW_PRIVATE="") as world:
        urls = [f"https://{host}:{world.host.port}" for host in SPELLINGS]
        urls += [f"http://{host}:{world.host.port}" for host in ("127.0.0.1", "localhost")]
        for url in urls:
            answer = await world.verify(Agent().sign_strictly(named=f'sig1="{url}"'))
            assert answer.verdict == AWAY, url
        assert world.fetches("address_refused") == len(urls) - 1  # two of them are one, and remembered
        assert (world.host.connections, world.names.asked) == (0, [])


async def test_rebinding_between_check_and_connect(services: Services) -> None:
    """A name that points elsewhere a moment later is of no use: it is resolved once, and that is connected to."""
    try:
        socket.create_server(("127.0.0.2", 0)).close()
    except OSError:
        pytest.skip("this system has no address 127.0.0.2")
    async with listening_host() as inner, listening_host("127.0.0.2", inner.port) as allowed:
        await _rebind(services, inner, allowed)


async def _rebind(services: Services, inner: Host, allowed: Host) -> None:
    regex, network = rf".*:{inner.port}", "127.0.0.2"
    async with foreign_world(services, TOOL_FQDN_REGEX=regex, FETCH_ALLOW_PRIVATE=network) as world:
        agent = Foreign(uid=f"bot.example:{inner.port}")
        allowed.publish(agent)
        inner.publish(agent)
        world.names.point("bot.example", ["127.0.0.2"], ["127.0.0.1"])
        assert (await world.verify(agent.sign_strictly())).status == 200
        assert world.names.asked == ["bot.example"]
        assert (allowed.connections, inner.connections) == (1, 0)
        turned = Foreign(uid=f"x.bots.example:{inner.port}")
        world.names.point("x.bots.example", ["127.0.0.1"], ["127.0.0.2"])
        await refused(world, turned, "address_refused")
        assert (allowed.connections, inner.connections) == (1, 0)


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
async def test_redirect_to_loopback(services: Services, status: str) -> None:
    """A redirect is a failure, and nobody goes where it leads: not even to the same host."""
    async with foreign_world(services) as world, listening_host(tls=False) as inner:
        agent = world.agent()
        target = f"http://127.0.0.1:{inner.port}/" if status.startswith("30") else ""
        world.host.replies[DIRECTORY] = reply(b"", f"Location: {target}", status=status)
        await refused(world, agent, "status")
        world.host.publish(world.agent(), at="/elsewhere")
        other = world.agent(path="/jwks.json")
        world.host.replies["/jwks.json"] = reply(b"", "Location: /elsewhere", status=status)
        assert (await world.verify(other.sign_strictly())).verdict == AWAY
        assert (inner.connections, world.host.targets) == (0, [DIRECTORY, "/jwks.json"])


async def test_slow_drip_and_silence(services: Services) -> None:
    """A host that sends a byte now and then or nothing, and a name that nobody resolves: two seconds each."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(directory(Agent())[:60])
        while True:
            await asyncio.sleep(0.1)
            writer.write(b"x")
            await writer.drain()

    async def silence(_writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(10)

    async with foreign_world(services, TOOL_FQDN_REGEX=".*") as world:
        world.host.replies |= {"/drip": drip, "/silence": silence}
        world.names.silent.add("mute.bots.example")
        agents = [world.agent(path="/drip"), world.agent(path="/silence"), world.agent("mute.bots.example")]
        started = time.monotonic()
        answers = await asyncio.gather(*(world.verify(agent.sign_strictly()) for agent in agents))
        assert time.monotonic() - started < 4
        assert {answer.verdict for answer in answers} == {AWAY}
        assert world.fetches("timeout") == 3


async def _endless(writer: asyncio.StreamWriter, head: bytes, part: bytes) -> None:
    writer.write(head)
    while True:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)  # drain gives nobody a turn where there is room


@pytest.mark.parametrize(
    ("head", "part", "result"),
    [
        (b"Content-Length: 999999999\r\n\r\n", b"x" * 4096, "too_large"),
        (b"Connection: close\r\n\r\n", b"x" * 4096, "too_large"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n", "too_large"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 500, "too_large"),
        (b"", b"X-Head: x\r\n", "malformed"),
        (b"X-Head: ", b"x" * 4096, "malformed"),
    ],
    ids=["length", "until-close", "chunks", "small-chunks", "headers", "header"],
)
async def test_endless_body_and_head(services: Services, head: bytes, part: bytes, result: str) -> None:
    """What does not end is ended, in memory and in time."""
    async with foreign_world(services) as world:
        start = f"HTTP/1.1 200 OK\r\nContent-Type: {MEDIA}\r\n".encode() + head
        world.host.replies[DIRECTORY] = lambda writer: _endless(writer, start, part)
        started = time.monotonic()
        await refused(world, world.agent(), result)
        assert time.monotonic() - started < 2


MEDIA = "application/http-message-signatures-directory+json"


@functools.cache
def _bomb() -> bytes:
    """Twenty megabytes in twenty thousand bytes."""
    return gzip.compress(b" " * 20_000_000)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip"])
async def test_compressed_bomb(services: Services, coding: str) -> None:
    """A content coding was not asked for, and is not undone: a few bytes of it stand for very many."""
    async with foreign_world(services) as world:
        world.host.replies[DIRECTORY] = reply(_bomb(), f"Content-Encoding: {coding}")
        await refused(world, world.agent(), "coded")
        assert "Accept-Encoding: identity" in world.host.heads[0]


def _with_10_000_keys(agent: Agent) -> bytes:
    many = b'{"keys":[' + b"{}," * 9_999 + json.dumps(agent.key.public.jwk).encode() + b"]}"
    return reply(many)


@pytest.mark.parametrize(
    "body",
    [
        _with_10_000_keys,
        lambda agent: directory(*[agent] * 33),
        lambda agent: directory(agent).replace(MEDIA.encode(), b"text/html"),
        lambda agent: directory(agent).replace(MEDIA.encode(), b"text/plain"),
        lambda agent: directory(agent).replace(MEDIA.encode(), b"application/json"),
        lambda _: reply(b"<html><body>Please log in</body></html>", kind="text/html"),
        lambda _: reply(b"<html><body>Please log in</body></html>"),
        lambda agent: reply(json.dumps([agent.key.public.jwk]).encode()),
        lambda _: b"SSH-2.0-OpenSSH_9.6\r\n",
        lambda _: b"",
        lambda agent: directory(agent)[:-10],
        lambda agent: directory(agent).replace(b"200 OK", b"203 Other"),
        lambda agent: directory(agent).replace(b"200 OK", b"206 Partial"),
        lambda agent: directory(agent).replace(b"200 OK", b"404 Gone"),
        lambda agent: directory(agent).replace(b"200 OK", b"500 No"),
    ],
    ids=[
        "10000-keys", "33-keys", "html-type", "text-type", "json-type", "html", "html-as-directory", "list", "ssh",
        "nothing", "cut", "203", "206", "404", "500",
    ],
)  # fmt: skip
async def test_what_is_no_directory(services: Services, body: Callable[[Agent], bytes]) -> None:
    """Too many keys, another type, HTML, another status, half an answer: no directory, though the key is in it."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.replies[DIRECTORY] = body(agent)
        assert (await world.verify(agent.sign_strictly())).verdict == AWAY


async def test_304_without_a_cache(services: Services) -> None:
    """To a host that says "you know it already" where nothing is known, nothing is believed."""
    async with foreign_world(services) as world:
        world.host.replies[DIRECTORY] = reply(b"", 'ETag: "x"', status="304 Not Modified")
        await refused(world, world.agent(), "status")
        assert "If-None-Match" not in world.host.heads[0]


@pytest.mark.parametrize(
    ("status", "serves"),
    [
        ("404 Not Found", False),
        ("410 Gone", False),
        ("500 No", True),
        ("503 Busy", True),
        ("302 Found", True),
    ],
)
async def test_key_of_a_directory_that_was_taken_away(services: Services, status: str, serves: bool) -> None:
    """A stolen key goes with its directory: "not found" is an answer, and no reason to go on with what was known."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent)
        assert (await world.verify(agent.sign_strictly())).status == 200
        world.host.replies[DIRECTORY] = reply(b"", status=status)
        await make_stale(services, agent)
        answer = await world.verify(agent.sign_strictly())
        assert answer.verdict == ((200, "") if serves else AWAY)
        assert world.fetches("status" if serves else "gone") == 1


async def test_304_about_something_else(services: Services) -> None:
    """A 304 about another state than the known one brings no removed key through: the whole is asked for."""
    async with foreign_world(services) as world:
        agent, successor = world.agent(), world.agent()
        world.host.publish(agent, headers=['ETag: "1"'])
        assert (await world.verify(agent.sign_strictly())).status == 200

        async def confused(writer: asyncio.StreamWriter) -> None:
            conditional = "If-None-Match" in world.host.heads[-1]
            changed = reply(b"", 'ETag: "2"', status="304 Not Modified")
            writer.write(changed if conditional else directory(successor, headers=['ETag: "2"']))

        world.host.replies[DIRECTORY] = confused
        await make_stale(services, agent)
        assert (await world.verify(agent.sign_strictly())).verdict == UNKNOWN
        assert (await world.verify(successor.sign_strictly())).status == 200
        assert world.host.connections == 3


@pytest.mark.parametrize(("age", "asks"), [(0, False), (3600, True)])
async def test_key_removed_in_the_second_in_which_it_was_published(
    services: Services, age: int, asks: bool
) -> None:
    """A date that may stand for two states is none: with it a removed key would be "not modified" for ever."""
    async with foreign_world(services) as world:
        agent, now = world.agent(), time.time()
        dates = [
            f"Last-Modified: {formatdate(now - age, usegmt=True)}",
            f"Date: {formatdate(now, usegmt=True)}",
        ]
        world.host.publish(agent, headers=dates)
        assert (await world.verify(agent.sign_strictly())).status == 200

        async def by_date(writer: asyncio.StreamWriter) -> None:
            conditional = f"If-Modified-Since: {dates[0].partition(': ')[2]}" in world.host.heads[-1]
            unchanged = reply(b"", *dates, status="304 Not Modified")
            writer.write(unchanged if conditional else directory(headers=dates))

        world.host.replies[DIRECTORY] = by_date
        await make_stale(services, agent)
        answer = await world.verify(agent.sign_strictly())
        assert answer.verdict[0] == 200 if asks else answer.verdict == UNKNOWN
        assert world.host.connections == 2


@pytest.mark.parametrize("name", ["Content-Encoding", "content-encoding", "CONTENT-ENCODING"])
async def test_header_names_in_another_case(services: Services, name: str) -> None:
    """What a header forbids it forbids in any case; what it allows, such as a lifetime, it allows too."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.replies[DIRECTORY] = reply(b"x", f"{name}: gzip")
        await refused(world, agent, "coded")
        other = world.agent("other.example")
        world.host.replies[DIRECTORY] = directory(other).replace(b"Content-Type", b"content-TYPE")
        assert (await world.verify(other.sign_strictly())).status == 200


async def test_kids_in_a_directory_that_lie(services: Services) -> None:
    """A kid that is not the thumbprint, a duplicate one, and keys printed in an RFC are the keys of nobody."""
    async with foreign_world(services) as world:
        victim, thief = world.agent(), Foreign(generate(), world.agent().uid)
        posing = {**thief.key.public.jwk, "kid": victim.key.public.kid}
        printed = {"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}
        keys = [posing, victim.key.public.jwk, posing, printed, {**printed, "kid": "poqkLGiymh_W0uP6PZFw"}]
        world.host.replies[DIRECTORY] = reply(json.dumps({"keys": keys}).encode())
        assert (await world.verify(victim.sign_strictly())).status == 200
        assert (await world.verify(thief.sign_strictly())).verdict == UNKNOWN
        forged = thief.sign_strictly(keyid=victim.key.public.kid)
        assert (await world.verify(forged)).verdict == (401, "INVALID_SIGNATURE")
        rfc9421 = thief.sign_strictly(keyid="poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U")
        assert (await world.verify(rfc9421)).verdict == UNKNOWN


async def test_certificate_of_another_host(services: Services) -> None:
    """Who is resolved to is not who is believed: TLS is verified for the name in the URL."""
    async with foreign_world(services, TOOL_FQDN_REGEX=".*") as world:
        world.names.point("nobody.test", ["127.0.0.1"])
        agent = world.agent("nobody.test")
        world.host.publish(agent)
        await refused(world, agent, "tls")
        assert world.host.heads == []


async def test_proxy_of_the_environment(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxies see nothing of it, for they would resolve names themselves."""
    async with foreign_world(services) as world, listening_host(tls=False) as proxy:
        for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        agent = world.agent()
        world.host.publish(agent)
        assert (await world.verify(agent.sign_strictly())).status == 200
        assert proxy.connections == 0


async def test_thundering_herd(services: Services) -> None:
    """Sixty requests of an agent that nobody knows yet, at two verifiers at once, cause one fetch."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent)
        world.host.answering.clear()
        regex = rf"bot\.example:{world.host.port}"
        settings = {"TOOL_FQDN_REGEX": regex, "FETCH_ALLOW_PRIVATE": "127.0.0.1"}
        outside = World.outside_of(world.names)
        with services.another_verifier(outside=outside, **settings) as second:
            waiting = [
                asyncio.create_task(services.verify(agent.sign_strictly(), verifier=verifier))
                for verifier in (world.verifier, second) * 30
            ]

            async def asked() -> bool:
                return world.host.connections > 0

            await until(asked)
            await asyncio.sleep(0.2)
            world.host.answering.set()
            answers = await asyncio.gather(*waiting)
        assert {answer.status for answer in answers} == {200}
        assert world.host.connections == 1


async def test_strangers_flooding_a_host_through_us(services: Services) -> None:
    """Whoever names path after path of a host has few of them fetched, three at once; its own directory still is."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent)
        world.host.answering.clear()
        flood = [
            asyncio.create_task(
                world.verify(Agent().sign_strictly(named=f'sig1="{agent.url}/{number}?{number}"'))
            )
            for number in range(60)
        ]

        async def asked() -> bool:
            return world.host.open_now == 3  # of four: one is kept for what is known

        await until(asked)
        world.host.answering.set()
        answers = await asyncio.gather(*flood)
        assert {answer.verdict for answer in answers} == {AWAY}
        assert 3 <= world.host.connections <= 33  # 30, and one more every two seconds
        assert world.host.most_at_once == 3
        assert (await world.verify(agent.sign_strictly())).status == 200


async def test_herd_at_a_path(services: Services) -> None:
    """Many who want one new path are one: they use up nothing of what its host is asked for."""
    async with foreign_world(services) as world:
        agent = world.agent(path="/jwks.json")
        world.host.publish(agent, at="/jwks.json")
        answers = await asyncio.gather(*(world.verify(agent.sign_strictly()) for _ in range(40)))
        assert {answer.status for answer in answers} == {200}
        assert world.host.connections == 1


async def test_strangers_naming_keys_that_nobody_has(services: Services) -> None:
    """Unknown kids of a known directory cause no fetch until it is a minute old, and leave nothing in Redis."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent)
        assert (await world.verify(agent.sign_strictly())).status == 200
        with Redis.from_url(services.redis_url) as store:
            before = len(list(store.scan_iter("d{*", count=1000)))
            answers = await asyncio.gather(
                *(world.verify(Foreign(generate(), agent.uid).sign_strictly()) for _ in range(20))
            )
            assert {answer.verdict for answer in answers} == {UNKNOWN}
            assert len(list(store.scan_iter("d{*", count=1000))) == before
        assert world.host.connections == 1


async def test_bytes_of_a_foreign_host_in_log_and_answers(services: Services) -> None:
    """Nothing that a host said or a stranger named is logged, measured or repeated while it is not proven."""
    async with foreign_world(services, TOOL_FQDN_REGEX=".*") as world:
        world.host.replies[DIRECTORY] = reply(
            b"SECRET-BODY", "X-Mark: SECRET-HEAD", status="200 SECRET-REASON"
        )
        for agent in (world.agent(), world.agent("hidden.bots.example")):
            answer = await world.verify(agent.sign_strictly())
            assert answer.verdict == AWAY
            assert not any(word in answer.body.decode() for word in ("SECRET", "bot.example", "hidden"))
        metrics = world.verifier.metrics.render()[0].decode()
        for word in ("SECRET", "bot.example", "hidden.bots"):
            assert word not in world.verifier.log
            assert word not in metrics
