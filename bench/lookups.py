"""What a registrar's size does to it: a million agents beside a thousand, on the same Postgres.

Three ways, each for agents drawn at random: the statement behind a key directory, alone; the directory over HTTP,
which the registrar keeps near once it was read; and the question that a verifier asks about a key it has never met.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final

import uvloop

from bench import traffic
from bench.figures import Sample, Slice
from bench.fleet import bytes_an_agent, database_of, names
from bench.ground import CONNECTIONS, Ground, Vestry, vestry
from bench.load import sample
from bench.peers import say
from bench.report import Goal, Measurement, Row, compare
from bench.stacks import Running
from vestry_registrar.repository.keys import published_keys
from vestry_service.postgres import open_pool

FEW: Final = 1_000
MANY: Final = 1_000_000
GOAL: Final = Goal(1.3, at_most=True)
DRAWN: Final = 20_000

Drawn = list[tuple[str, str]]


def lookups(ground: Ground) -> list[Row]:
    """Compare look-ups, and tell how large the large database is."""
    urls = {number: database_of(ground.stores.postgres, number) for number in (FEW, MANY)}
    sizes = bytes_an_agent(urls[MANY])
    say("bytes an agent: " + ", ".join(f"{name} {size:.0f}" for name, size in sizes.items()))
    drawn = {number: names(url, DRAWN) for number, url in urls.items()}
    rows: list[Row] = [
        Measurement(
            f"Postgres, an agent with its key and all indexes, of {MANY:,}",
            "",
            [sum(sizes.values())],
            "B",
            Goal(450, at_most=True),
        )
    ]
    with ExitStack() as running:
        registrars = {
            number: running.enter_context(_registrar(ground, number, url)) for number, url in urls.items()
        }
        ways: dict[str, Callable[[int], Slice]] = {
            "statement of a directory": lambda number: _statement(
                urls[number], drawn[number], ground.seconds
            ),
            "directory over HTTP": lambda number: _directories(
                registrars[number].registrar, drawn[number], ground
            ),
            "a verifier's question about a key": lambda number: _questions(
                registrars[number], drawn[number], ground
            ),
        }
        for what, way in ways.items():
            many = f"{what}, time of one of {MANY:,}", way(MANY)
            rows.append(compare(many, (f"of {FEW:,}", way(FEW)), ground.rounds, GOAL, times=True))
    return rows


@contextmanager
def _registrar(ground: Ground, number: int, url: str) -> Iterator[Vestry]:
    """A registrar on a database, and on a part of the store that is its own."""
    folder = ground.folder / str(number)
    folder.mkdir()
    redis = f"{ground.stores.valkey.url}?db={len(str(number))}"
    with vestry(folder, ground.stores, DATABASE_URL=url, REDIS_URL=redis) as running:
        yield running


def _statement(url: str, drawn: Drawn, seconds: float) -> Slice:
    """One after the other, on one connection."""

    async def measure() -> Sample:
        async with open_pool(url, 1) as pool, pool.acquire() as connection:
            now, done, began = int(time.time()), 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                uid, _ = drawn[done % len(drawn)]
                assert await published_keys(connection, f"agent-{uid}", now)
                done += 1
            return Sample(done / (time.perf_counter() - began))

    return lambda: uvloop.run(measure())


def _directories(server: Running, drawn: Drawn, ground: Ground) -> Slice:
    requests = [traffic.directory_request(f"agent-{uid}.localhost:{server.port}") for uid, _ in drawn]
    return partial(sample, server, requests, CONNECTIONS, ground.seconds)


def _questions(running: Vestry, drawn: Drawn, ground: Ground) -> Slice:
    """On the internal port: the registrar reads Postgres and writes the live record."""
    requests = [traffic.key_question(f"agent-{uid}", kid) for uid, kid in drawn]
    internal = running.registrar._replace(port=running.internal_port)
    return partial(sample, internal, requests, CONNECTIONS, ground.seconds)
