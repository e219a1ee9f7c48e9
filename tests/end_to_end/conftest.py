"""One real stack for all end-to-end tests, and the released clients to drive it with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import CLIENTS, Client, need
from live_stack import LiveStack, live_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """A running `vestry up`."""
    folder = tmp_path_factory.mktemp("stack")
    with live_stack(folder / "data", folder / "log") as running:
        yield running


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    """Each released client, in an empty folder."""
    return Client(request.param, need(request.param), tmp_path)


@pytest.fixture
def own_agent(client: Client, stack: LiveStack) -> Client:
    """Each released client, registered as an agent of this test alone, which may rotate it."""
    said = client.run("agent", "init", "--hostname", stack.base)
    assert said.code == 0, said
    return client


@pytest.fixture(scope="session")
def registered() -> dict[str, str]:
    """What each client keeps of the agent that is shared, by the client's name."""
    return {}


@pytest.fixture
def agent(client: Client, stack: LiveStack, registered: dict[str, str]) -> Client:
    """Each released client, as an agent that it registered once for all tests that leave its keys alone."""
    if client.name in registered:
        client.env.write_text(registered[client.name])
    else:
        said = client.run("agent", "init", "--hostname", stack.base)
        assert said.code == 0, said
        registered[client.name] = client.env.read_text()
    return client
