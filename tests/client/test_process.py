"""The life of a child is tied to ours."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import signal, subprocess, sys, time
from vestry.embedded.process import Process
child = Process(["/bin/sleep", "60"], output=subprocess.DEVNULL, watched=sys.argv[1] == "watched")
print(child.pid, flush=True)
time.sleep(60)
"""


def _alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip() not in ("", "Z")


def _gone(pid: int, within: float = 5) -> bool:
    deadline = time.monotonic() + within
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _alive(pid)


@pytest.mark.parametrize("how", ["told by the kernel", "watched"])
def test_a_child_dies_with_its_parent(how: str) -> None:
    """Also when the parent is killed by signal 9; by the kernel on Linux, by a watcher elsewhere."""
    if how != "watched" and not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells a child of its parent's death")
    with subprocess.Popen([sys.executable, "-c", PARENT, how], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _alive(pid)
        parent.kill()
    assert _gone(pid)


def test_a_child_whose_parent_died_first_does_not_begin(tmp_path: Path) -> None:
    """Between the start and the request to be told, nobody would send the signal."""
    launch = Path(__file__).parents[2] / "client" / "vestry" / "embedded" / "launch.py"
    stale = subprocess.Popen(["/bin/true"])
    stale.wait()
    mark = tmp_path / "began"
    command = [
        sys.executable,
        "-I",
        "-S",
        str(launch),
        str(stale.pid),
        "15",
        "same",
        "0",
        "0",
        "/usr/bin/touch",
        str(mark),
    ]
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells a child of its parent's death")
    subprocess.run(command, check=True)
    assert not mark.exists()
