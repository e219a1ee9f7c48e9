"""The limit of open files is raised as far as it may be, and strangers never get all of them."""

import resource
import subprocess
import sys

import pytest

SAY = "from vestry_service.open_files import *; print(room_for_connections(), resource.getrlimit(7)[0])"


@pytest.mark.parametrize(
    ("soft", "hard", "room", "raised"),
    [(256, 1024, 896, 1024), (1024, 1024, 896, 1024), (200, 200, 100, 200), (64, 300, 172, 300)],
)
def test_room_for_connections(soft: int, hard: int, room: int, raised: int) -> None:
    """All but 128, or half of fewer than 256; counted after the soft limit was raised to the hard one."""
    said = subprocess.run(
        [sys.executable, "-c", SAY.replace("7", str(resource.RLIMIT_NOFILE))],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == [str(room), str(raised)]
