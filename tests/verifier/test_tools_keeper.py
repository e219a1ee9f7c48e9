"""The file of tools is followed: a new one counts; a bad one changes nothing, and is complained of."""

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services import Services, until
from tool_desk import tool_desk
from tools_files import BASE, OTHER_TOKEN, linked, removed, replaced, tool, written
from vestry_service.errors import StartError
from vestry_service.logging import make_logger
from vestry_service.metrics import Metrics
from vestry_verifier.tools_file.book import ToolsFileError
from vestry_verifier.tools_file.keeper import Keeper, keeping

EVERY = 0.03
"""Seconds between two looks."""


class Kept:
    """A keeper, its file, and what it said."""

    def __init__(self, keeper: Keeper, path: Path, metrics: Metrics, log: io.BytesIO) -> None:
        self.keeper = keeper
        self.path = path
        self._metrics = metrics
        self._log = log

    @property
    def names(self) -> list[str]:
        return self.keeper.book.names

    @property
    def refused(self) -> float | None:
        return self._metrics.registry.get_sample_value("vestry_tools_file_refused")

    @property
    def complaints(self) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self._log.getvalue().splitlines())
        return [line for line in lines if line["level"] == "error"]

    async def has(self, *names: str) -> None:
        async def reached() -> bool:
            return self.names == list(names)

        await until(reached)

    async def complains(self, count: int = 1) -> None:
        async def reached() -> bool:
            return len(self.complaints) >= count

        await until(reached)


@asynccontextmanager
async def kept(path: Path, text: str, every: float = EVERY) -> AsyncIterator[Kept]:
    written(path, text)
    log, metrics = io.BytesIO(), Metrics("verifier", "test")
    logger = make_logger("verifier", "test", "info", "json", log)
    async with keeping(str(path), BASE, logger, metrics, every) as keeper:
        assert keeper is not None
        yield Kept(keeper, path, metrics, log)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tools.toml"


async def test_a_changed_file_counts(path: Path) -> None:
    """Written in place, or replaced by another one under its name."""
    async with kept(path, tool(name="one")) as found:
        written(path, tool(name="two"))
        await found.has("two")
        replaced(path, tool(name="three"))
        await found.has("three")
        assert (found.refused, found.complaints) == (0, [])


async def test_a_link_that_leads_elsewhere_counts(tmp_path: Path, path: Path) -> None:
    """Mounted config maps are two links deep, and change by the turn of one."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "tools.toml").write_text(tool(name=version))
    current = tmp_path / "current"
    current.symlink_to("one")
    linked(path, "current/tools.toml")
    async with kept(path, tool(name="one")) as found:
        (tmp_path / "new").symlink_to("two")
        os.replace(tmp_path / "new", current)
        await found.has("two")


@pytest.mark.parametrize("bad", ["", "[tools.a", tool("denny = []"), tool(name="Two")])
async def test_a_bad_file_changes_nothing(path: Path, bad: str) -> None:
    """The one before goes on, the log and the health say so, and a good one ends that."""
    async with kept(path, tool(name="one")) as found:
        replaced(path, bad)
        await found.complains()
        assert (found.names, found.refused) == (["one"], 1)
        [line] = found.complaints
        assert line["problems"]
        with pytest.raises(ToolsFileError):
            await found.keeper.ready()
        await asyncio.sleep(5 * EVERY)
        assert len(found.complaints) == 1, "one complaint for one fault"
        replaced(path, tool(name="two"))
        await found.has("two")
        assert found.refused == 0
        await found.keeper.ready()


async def test_a_file_that_is_gone_changes_nothing(path: Path) -> None:
    """Whoever removes it has not said that everybody may ask, nor that nobody may."""
    async with kept(path, tool(name="one")) as found:
        removed(path)
        await found.complains()
        assert found.complaints[0]["problems"] == ["it cannot be read: No such file or directory"]
        assert found.names == ["one"]
        written(path, tool(name="one"))

        async def mended() -> bool:
            return found.refused == 0

        await until(mended)


async def test_a_request_to_read_it_is_followed_at_once(path: Path) -> None:
    """Without waiting for a look at the file; also where nothing has changed."""
    async with kept(path, tool(name="one"), every=3600) as found:
        await asyncio.sleep(0)
        written(path, tool(name="two"))
        found.keeper.renew()
        await found.has("two")
        written(path, "[")
        found.keeper.renew()
        await found.complains()
        found.keeper.renew()
        await found.complains(2)


@pytest.mark.parametrize(("text", "count"), [("", 1), ("x = 1", 2), (tool("mode = 1", "x = 1"), 2)])
def test_a_bad_file_ends_the_start(path: Path, text: str, count: int) -> None:
    """With one message that says everything wrong with it."""
    path.write_text(text)
    with pytest.raises(StartError, match="TOOLS_FILE cannot be used") as refused:
        Keeper(str(path), BASE, make_logger("verifier", "test", stream=io.BytesIO()), Metrics("v", "t"))
    assert str(refused.value).count("\n") == count


def test_no_file_ends_the_start(path: Path) -> None:
    """A path that leads nowhere is no open door."""
    with pytest.raises(StartError, match="No such file"):
        Keeper(str(path), BASE, make_logger("verifier", "test", stream=io.BytesIO()), Metrics("v", "t"))


def test_a_file_that_is_too_long_is_not_read(path: Path) -> None:
    """No more than a mebibyte is."""
    path.write_text(tool() + "#" * 1024 * 1024)
    with pytest.raises(StartError, match="longer than"):
        Keeper(str(path), BASE, make_logger("verifier", "test", stream=io.BytesIO()), Metrics("v", "t"))


async def test_a_running_verifier_follows_its_file(services: Services, tmp_path: Path) -> None:
    """A token that is taken out of the file is nobody's soon after; `/readyz` shows a file that is refused."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool()) as desk:
        assert (await desk.ask(agent.sign())).status == 200
        replaced(desk.path, tool(token=OTHER_TOKEN))

        async def changed() -> bool:
            return (await desk.ask(agent.sign())).status == 401

        await until(changed)
        assert (await desk.ask(agent.sign(), token=OTHER_TOKEN)).status == 200
        replaced(desk.path, "x = 1")

        async def failing() -> bool:
            return await desk.verifier.failing() == ["tools_file"]

        await until(failing)
        ready = await desk.verifier.ready()
        assert (ready.status, ready.json["checks"]["tools_file"]["required"]) == (200, False)
        assert (await desk.ask(agent.sign(), token=OTHER_TOKEN)).status == 200
