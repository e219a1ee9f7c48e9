"""`vestry up`, with two hello services in the place of the real ones: up, watched, and down in order."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from stores import PostgresServer, descendants, kill_all

DRIVER = Path(__file__).with_name("hello_stack.py")
PORTS = ("PORT", "VERIFIER_PORT", "INTERNAL_PORT", "VERIFIER_INTERNAL_PORT")


def free_ports() -> dict[str, str]:
    """A free port for each variable."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports = [str(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return dict(zip(PORTS, ports, strict=True))


def alive(pids: Sequence[int]) -> list[int]:
    """Those of the processes that still live; zombies do not."""
    rows = subprocess.check_output(["ps", "-axo", "pid=,stat="], text=True).splitlines()
    states = dict(row.split() for row in rows)
    return [pid for pid in pids if states.get(str(pid), "Z")[0] != "Z"]


class Stack:
    """A run of `vestry up`."""

    def __init__(self, folder: Path, data: Path, environ: dict[str, str], flags: Sequence[str] = ()) -> None:
        self.environ = {**free_ports(), "DATA_DIR": str(data), **environ}
        self.journal = folder / "journal"
        self.output = folder / "output"
        clean = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_PORT"))}
        with self.output.open("wb") as output:
            self.popen = subprocess.Popen(
                [sys.executable, str(DRIVER), str(self.journal), *flags],
                env={**clean, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def says(self, text: str, within: float = 30) -> str:
        """Wait until the text was said; return everything said so far."""
        deadline = time.monotonic() + within
        while text not in (said := self.output.read_text()):
            if time.monotonic() > deadline or (
                self.popen.poll() is not None and text not in self.output.read_text()
            ):
                raise AssertionError(f"{text!r} was never said, but:\n{said}")
            time.sleep(0.02)
        return said

    def ends(self, within: float = 30) -> int:
        """Wait for the end; return the exit code."""
        return self.popen.wait(within)

    def noted(self) -> list[str]:
        """What the services wrote down."""
        return self.journal.read_text().splitlines()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all runs here: each finds what the one before left."""
    return tmp_path_factory.mktemp("data")


class Stacks:
    """Starts stacks, and sees to it that none is left."""

    def __init__(self, folder: Path, data: Path) -> None:
        self._folder = folder
        self._data = data
        self.started: list[Stack] = []

    def up(self, *flags: str, data: Path | None = None, **environ: str) -> Stack:
        folder = self._folder / str(len(self.started))
        folder.mkdir()
        self.started.append(Stack(folder, data or self._data, environ, flags))
        return self.started[-1]


@pytest.fixture
def stacks(tmp_path: Path, data: Path) -> Iterator[Stacks]:
    """A way to start stacks."""
    made = Stacks(tmp_path, data)
    yield made
    for stack in made.started:
        if stack.popen.poll() is None:
            stack.popen.terminate()
        stack.popen.wait(30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_and_down_again(stacks: Stacks, number: signal.Signals) -> None:
    """It says where everything is and what to try; a signal stops all in order and leaves nothing."""
    stack = stacks.up()
    said = stack.says("Ctrl-C stops everything")
    pids = descendants(stack.popen.pid)
    base, verifier = (f"http://localhost:{stack.environ[name]}" for name in ("PORT", "VERIFIER_PORT"))
    assert f"\n  npx vestauth agent init --hostname {base}\n" in said
    assert f"\n  npx vestauth agent curl {base}/whoami\n" in said
    assert f"\n  curl {verifier}/verify " in said
    stack.popen.send_signal(number)
    assert stack.ends() == 0
    end = stack.says("stopped").partition("Ctrl-C stops everything")[2]
    stops = [line for line in end.splitlines() if line.startswith("stop")]
    assert stops == [
        *(f"stopping {name}" for name in ("verifier", "registrar", "valkey", "postgres")),
        "stopped",
    ]
    assert stack.noted()[2:] == ["verifier stopped with valkey", "registrar stopped with postgres, valkey"]
    assert alive(pids) == []


def test_the_verifier_gets_no_database(stacks: Stacks) -> None:
    """It has no business there, so it holds no key to it."""
    stack = stacks.up()
    stack.says("vestry is up")
    assert sorted(stack.noted()) == [
        "registrar started with postgres, valkey",
        "verifier started with valkey",
    ]


def test_a_given_database_replaces_the_embedded_one(
    stacks: Stacks, postgres: PostgresServer, tmp_path: Path
) -> None:
    """No other is started, and no data folder made for it."""
    stack = stacks.up(data=tmp_path / "data", DATABASE_URL=postgres.url)
    assert "starting postgres" not in stack.says("vestry is up")
    assert "registrar started with postgres, valkey" in stack.noted()
    assert not (tmp_path / "data" / "postgres").exists()


def test_what_the_services_say_is_passed_on(stacks: Stacks) -> None:
    """Held back while everything starts, heard from then on."""
    stack = stacks.up()
    stack.says("vestry is up")
    stack.popen.send_signal(signal.SIGINT)
    stack.ends()
    said = stack.output.read_text()
    assert "registrar is listening" not in said
    assert (
        said.index("stopping registrar")
        < said.index("registrar says goodbye")
        < said.index("stopping valkey")
    )


def test_waiting_shows_which_check_fails(stacks: Stacks) -> None:
    """And goes on by itself as soon as it no longer does."""
    stack = stacks.up(HELLO_VERIFIER="unready")
    said = stack.says("waiting for verifier: patience (not yet)")
    assert "vestry is up" not in said
    Path(f"{stack.journal}.ready").touch()
    stack.says("vestry is up")


def test_a_service_that_dies_at_once_takes_everything_down(stacks: Stacks) -> None:
    """Its last words are the reason; the code is 1."""
    stack = stacks.up(HELLO_REGISTRAR="dies")
    assert stack.ends() == 1
    said = stack.output.read_text()
    assert said.endswith("vestry: the registrar ended with code 1: registrar has no luck today\n")
    assert "stopping postgres" in said
    assert "Traceback" not in said


def test_a_list_of_last_words_stays_whole(stacks: Stacks) -> None:
    """What must be mended is told with its head, not by its last line."""
    stack = stacks.up(HELLO_REGISTRAR="lists")
    assert stack.ends() == 1
    said = stack.output.read_text()
    assert "  | this must be mended:\n  |   all of it\n" in said
    assert said.endswith("vestry: the registrar ended with code 1\n")


@pytest.mark.parametrize(
    ("index", "name"), [(0, "postgres"), (1, "valkey"), (2, "registrar"), (3, "verifier")]
)
def test_a_part_that_dies_later_takes_everything_down(stacks: Stacks, index: int, name: str) -> None:
    """Whichever it is: the rest is stopped, the line says which, and the code is 1."""
    stack = stacks.up()
    stack.says("vestry is up")
    pids = descendants(stack.popen.pid)
    os.kill(pids[index], signal.SIGKILL)
    assert stack.ends() == 1
    assert f"{name} was killed by signal 9" in stack.output.read_text()
    assert alive(pids) == []


def test_a_taken_port_is_one_line(stacks: Stacks, tmp_path: Path) -> None:
    """It names the port and the variable, and nothing was started yet."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        stack = stacks.up(data=tmp_path / "data", VERIFIER_PORT=port)
        assert stack.ends() == 1
    said = stack.output.read_text()
    assert said == (
        f"vestry: VERIFIER_PORT: 127.0.0.1:{port} is taken by another program; set VERIFIER_PORT to a free port\n"
    )
    assert not (tmp_path / "data").exists()


def test_wrong_settings_are_told_together(stacks: Stacks) -> None:
    """Every one of them, so that they are mended in one go."""
    stack = stacks.up(PORT="many", INTERNAL_PORT="4444", VERIFIER_INTERNAL_PORT="4444")
    assert stack.ends() == 1
    said = stack.output.read_text()
    assert "PORT 'many': must be a whole number" in said
    assert "INTERNAL_PORT and VERIFIER_INTERNAL_PORT are both 4444" in said


def test_a_second_one_on_the_same_data_is_one_line(stacks: Stacks) -> None:
    """The first one is not disturbed."""
    first = stacks.up()
    first.says("vestry is up")
    second = stacks.up()
    assert second.ends() == 1
    assert second.output.read_text().count("\n") <= 2
    assert f"in use by another vestry (process {first.popen.pid})" in second.output.read_text()
    assert first.popen.poll() is None


def test_killed_by_nine_it_leaves_nothing_and_the_data_is_whole(stacks: Stacks) -> None:
    """The next start needs no help, however soon it comes."""
    stack = stacks.up()
    stack.says("vestry is up")
    pids = descendants(stack.popen.pid)
    stack.popen.kill()
    stack.ends()
    again = stacks.up()
    again.says("vestry is up")
    assert alive(pids) == []


def test_everything_killed_by_nine_at_once(stacks: Stacks) -> None:
    """As by a power cut: what was committed is there at the next start, which says what may be lost, once."""
    stack = stacks.up()
    stack.says("vestry is up")
    url = (stack.journal.parent / "url").read_text()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    kill_all([stack.popen.pid, *descendants(stack.popen.pid)])
    again = stacks.up()
    assert "may have forgotten used signatures" in again.says("vestry is up")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    again.popen.terminate()
    again.ends()
    assert "forgotten" not in stacks.up().says("vestry is up")


def test_with_parent_it_ends_when_its_parent_is_killed(stacks: Stacks, tmp_path: Path, data: Path) -> None:
    """As make is: by signal 9, which no parent can pass on."""
    ports = free_ports()
    output = tmp_path / "output"
    command = [sys.executable, str(DRIVER), str(tmp_path / "journal"), "--with-parent"]
    parent = subprocess.Popen(
        ["/bin/sh", "-c", '"$@" >"$OUTPUT" 2>&1; true', "sh", *command],
        env={**os.environ, **ports, "DATA_DIR": str(data), "OUTPUT": str(output)},
    )
    deadline = time.monotonic() + 30
    while not (output.exists() and "vestry is up" in output.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    pids = descendants(parent.pid)
    assert len(pids) > 4
    parent.kill()
    parent.wait()
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive(pids) == []
    assert output.read_text().endswith("stopped\n")
