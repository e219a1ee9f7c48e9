"""Fixtures around running services. The rooms that want them import them into their conftest."""

from collections.abc import Iterator

import pytest

from services import Services, running, services_on
from stores import PostgresServer, ValkeyServer, running_valkey

__all__ = ["doomed", "services"]


@pytest.fixture(scope="session")
def services(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """One registrar and two verifiers for the whole run, on a store that nobody empties."""
    with running_valkey(tmp_path_factory.mktemp("services")) as valkey:
        url = postgres.create_database()
        with running(url, valkey.url, verifiers=2) as running_services:
            yield running_services
        postgres.drop_database(url)


@pytest.fixture
def doomed(database_url: str, own_valkey: ValkeyServer) -> Iterator[Services]:
    """A handle on an empty database and a Valkey that the test may ill-treat; no service runs yet."""
    with services_on(database_url, own_valkey.url) as handle:
        yield handle
