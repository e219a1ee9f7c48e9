"""Fixtures for every room: real Postgres and Valkey, started once for the whole run.

`database_url` is the cheap one: a fresh empty database for each test. `valkey` is emptied before each test
that asks for it. Who stops, kills or pauses a server takes `own_postgres` or `own_valkey`. `stores`, `fragile` and
`single` run a test over the stand-in and over every way that Redis is run.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import topologies
from crowded import pytest_sessionfinish as pytest_sessionfinish
from replay_stores import Stores, stores_of
from stores import PostgresServer, ValkeyServer, running_postgres, running_valkey
from topologies import Cluster, Watched


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One Postgres server for the whole run."""
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database that only this test uses."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def valkey_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One Valkey server for the whole run; tests take `valkey`."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def valkey(valkey_session: ValkeyServer) -> ValkeyServer:
    """The shared Valkey server, empty."""
    valkey_session.flush()
    return valkey_session


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    """A Postgres server for one test alone, which may stop or kill it."""
    with running_postgres(tmp_path / "postgres") as server:
        yield server


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey server for one test alone, which may stop, kill or pause it."""
    with running_valkey(tmp_path / "valkey") as server:
        yield server


@pytest.fixture(scope="session")
def watched_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One Valkey behind a Sentinel for the whole run; tests take `watched`."""
    with topologies.watched(tmp_path_factory.mktemp("watched"), 0, 1, down_after=60_000) as fleet:
        yield fleet


@pytest.fixture
def watched(watched_session: Watched) -> Watched:
    """The shared Valkey behind a Sentinel, empty."""
    watched_session.primary.flush()
    return watched_session


@pytest.fixture
def own_watched(tmp_path: Path) -> Iterator[Watched]:
    """A Valkey behind a Sentinel for one test alone."""
    with topologies.watched(tmp_path / "watched", 0, 1, down_after=60_000) as fleet:
        yield fleet


@pytest.fixture(scope="session")
def cluster_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Cluster of three primaries for the whole run; tests take `cluster`."""
    with topologies.cluster(
        tmp_path_factory.mktemp("cluster"), settings={"cluster-node-timeout": "60000"}
    ) as nodes:
        yield nodes


@pytest.fixture
def own_pair(tmp_path: Path) -> Iterator[Watched]:
    """A primary and its replica for one test alone, and nobody who watches them."""
    with topologies.watched(tmp_path / "pair", replicas=1, sentinels=0) as pair:
        yield pair


@pytest.fixture
def cluster(cluster_session: Cluster) -> Cluster:
    """The shared Cluster, empty. It may be paused for a moment, and resumed."""
    cluster_session.resume()
    cluster_session.flush()
    return cluster_session


@pytest.fixture(params=["fake", "valkey", "sentinel", "cluster"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """Both sides of an empty replay store, of each kind, that nothing bad happens to."""
    async for stores in stores_of(request.param, request):
        yield stores


@pytest.fixture(params=["fake", "valkey", "sentinel", "cluster"])
async def fragile(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """The same with a server that the test may ill-treat, but not restart."""
    async for stores in stores_of(request.param, request, own="own_"):
        yield stores


@pytest.fixture(params=["fake", "valkey", "sentinel"])
async def single(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """The same with one primary, which the test may also restart."""
    async for stores in stores_of(request.param, request, own="own_"):
        yield stores
