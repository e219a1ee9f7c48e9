"""One real stack for the commands of all documents."""

from collections.abc import Iterator

import pytest

from live_stack import LiveStack, live_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """A running `vestry up`."""
    folder = tmp_path_factory.mktemp("stack")
    with live_stack(folder / "data", folder / "log") as running:
        yield running
