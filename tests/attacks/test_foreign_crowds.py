"""Attacks with numbers: many hosts that strangers name, so that an honest one is not asked, or not believed."""

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bare_client import Answer, send
from foreign_hosts import Host, World, directory, foreign_world, listening_host, make_stale
from services import DIRECTORY, TOOL, Agent, Services, until
from vestry_verifier.foreign.places import IN_ALL

AWAY = (503, "DIRECTORY_UNREACHABLE")
OF_STRANGERS = IN_ALL * 3 // 4
OF_A_DOMAIN = OF_STRANGERS // 4


async def ask(world: World, signed: dict[str, str]) -> Answer:
    """Ask without an explanation before, which would wait for a place as well."""
    body = json.dumps({"method": "GET", "url": TOOL, "headers": signed}).encode()
    return await send(world.verifier.port, "POST", "/verify", {"Content-Type": "application/json"}, body, "v")


@asynccontextmanager
async def silent_hosts(world: World, *hosts: str) -> AsyncIterator[Host]:
    """Have strangers name hosts, all at once, that take the connection and say nothing; yield what is connected."""
    async with listening_host(tls=False) as silent:
        for host in hosts:
            world.names.point(host, ["127.0.0.1"])
        named = [Agent().sign_strictly(named=f'sig1="https://{host}:{silent.port}"') for host in hosts]
        asking = [asyncio.create_task(ask(world, signed)) for signed in named]
        try:
            yield silent
        finally:
            answers = await asyncio.gather(*asking)
        assert {answer.verdict for answer in answers} == {AWAY}


async def connected(host: Host, number: int) -> None:
    """Wait until so many are connected, and see that no more come."""

    async def come() -> bool:
        return host.connections >= number

    await until(come)
    assert host.connections == number


def many(number: int, domains: int) -> list[str]:
    return [f"n{each}.evil{each % domains}.test" for each in range(number)]


async def test_silent_hosts_in_front_of_a_known_one(services: Services) -> None:
    """However many hosts strangers name, a directory that was had before is fetched at once when its time is over."""
    async with foreign_world(services, TOOL_FQDN_REGEX=".*") as world:
        agent = world.agent()
        world.host.publish(agent)
        assert (await ask(world, agent.sign_strictly())).status == 200
        await make_stale(services, agent)
        async with silent_hosts(world, *many(100, domains=20)) as silent:
            await connected(silent, OF_STRANGERS)
            started = time.monotonic()
            assert (await ask(world, agent.sign_strictly())).status == 200
            assert time.monotonic() - started < 1
            assert (world.host.connections, silent.connections) == (2, OF_STRANGERS)


async def test_silent_hosts_of_one_domain_in_front_of_a_new_one(services: Services) -> None:
    """Names below one domain cost nothing, and take few places: a host that is new is asked at once."""
    async with foreign_world(services, TOOL_FQDN_REGEX=".*") as world:
        agent = world.agent()
        world.host.publish(agent)
        async with silent_hosts(world, *many(100, domains=1)) as silent:
            await connected(silent, OF_A_DOMAIN)
            started = time.monotonic()
            assert (await ask(world, agent.sign_strictly())).status == 200
            assert time.monotonic() - started < 1
            assert silent.connections == OF_A_DOMAIN


async def test_an_honest_host_blamed_for_our_being_busy(services: Services) -> None:
    """A host that was asked too late, for others took every place, has not failed: it is asked as soon as can be."""
    async with foreign_world(services, TOOL_FQDN_REGEX=".*") as world:
        agent = world.agent()
        world.host.replies[DIRECTORY] = functools.partial(_in_a_while, directory(agent))
        async with silent_hosts(world, *many(2 * OF_STRANGERS, domains=20)) as silent:
            await connected(silent, OF_STRANGERS)
            assert (await ask(world, agent.sign_strictly())).verdict == AWAY
        assert world.fetches("busy") > OF_STRANGERS
        assert (await ask(world, agent.sign_strictly())).status == 200


async def _in_a_while(said: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.9)
    writer.write(said)


async def test_a_name_with_very_many_addresses(services: Services) -> None:
    """Whoever gives a name very many addresses has us knock at four of them, not at each."""
    addresses = [f"127.0.0.{number}" for number in range(1, 201)]
    settings = {"TOOL_FQDN_REGEX": ".*", "FETCH_ALLOW_PRIVATE": "127.0.0.0/8"}
    async with foreign_world(services, **settings) as world, _everywhere() as knocked:
        world.names.point("bot.example", addresses)
        agent = Agent()
        named = f'sig1="https://bot.example:{knocked.port}"'
        assert (await ask(world, agent.sign_strictly(named=named))).verdict == AWAY
        assert knocked.connections == 4


@asynccontextmanager
async def _everywhere() -> AsyncIterator[Host]:
    """Listen on every address of this machine, and hang up on everybody."""
    host = Host()

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host.connections += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "0.0.0.0", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        (await asyncio.open_connection("127.0.0.9", host.port))[1].close()
    except OSError:
        pytest.skip("this system has no address 127.0.0.9")
    else:
        await connected(host, 1)
        host.connections = 0
        yield host
    finally:
        server.close()
