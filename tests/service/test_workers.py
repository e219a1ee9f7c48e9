"""The supervisor with workers that are told how to behave, and a log that several write."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from vestry_service.shared_metrics import forget_worker
from vestry_service.worker import WholeLines

# A supervisor of two workers that each run the code in its argument.
SUPERVISOR = """
import os, sys
from vestry_service.errors import StartError
from vestry_service.logging import make_logger
from vestry_service.workers import supervise
try:
    supervise([sys.executable, "-c", sys.argv[1]], os.environ, 2, [], make_logger("small", "1"))
except StartError as error:
    sys.exit(str(error))
"""
# A worker that listens, and goes on once the other one does too.
LISTEN = """
import os, time
folder, number = os.environ['PROMETHEUS_MULTIPROC_DIR'], os.environ['VESTRY_WORKER']
again = os.path.exists(f'{folder}/{number}')
if again and number == os.environ.get('REFUSED'):
    os.write(0, b'REDIS_URL: no')
    os._exit(1)
os.write(0, bytes(1))
open(f'{folder}/{number}', 'w').close()
while len(os.listdir(folder)) < 2:
    time.sleep(0.01)
time.sleep(0.3)
"""


def supervisor(worker: str, **environ: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, worker],
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def deaths(process: "subprocess.Popen[bytes]", count: int) -> list[dict[str, Any]]:
    """Wait for so many deaths of the first worker, stop everything, and return what was logged of them."""
    assert process.stdout is not None
    found: list[dict[str, Any]] = []
    while len(found) < count:
        line = json.loads(process.stdout.readline())
        if line["worker"] == 1 and line["event"] == "worker died":
            found.append(line)
    process.terminate()
    assert process.communicate()[1] == b""
    assert process.returncode == 0
    return found


def test_a_crash_loop_does_not_burn_the_machine() -> None:
    """Each pause before the next try is twice the one before."""
    found = deaths(supervisor(LISTEN + "os._exit(7)"), 3)
    assert [line["replaced_in_s"] for line in found] == [0.1, 0.2, 0.4]
    assert {line["how"] for line in found} == {"ended with code 7"}


def test_a_worker_that_ends_before_it_listens_ends_the_start() -> None:
    """A fault at the start is seen by whoever started us, whatever it is."""
    out, err = supervisor("import os; os._exit(7)").communicate()
    assert out == b""
    assert err.decode().strip().endswith("ended with code 7 before all of them listened")


def test_what_a_worker_says_is_said_once() -> None:
    """Both cannot start, for the same reason."""
    worker = "import os; os.write(0, 'PORT: 1 is taken — by äöü'.encode()); os._exit(1)"
    _, err = supervisor(worker).communicate()
    assert err.decode() == "PORT: 1 is taken — by äöü\n"


def test_a_worker_that_does_not_start_later_is_tried_again() -> None:
    """The other one serves on; the log says what the new one said."""
    found = deaths(supervisor(LISTEN + "time.sleep(0 if number == '1' else 60)", REFUSED="1"), 3)
    assert [line.get("why") for line in found] == [None, "REDIS_URL: no", "REDIS_URL: no"]


def test_lines_stay_whole() -> None:
    """What goes out at once is whole lines, no more than a pipe takes in one piece; a longer line alone."""
    pieces: list[bytes] = []

    class Pipe(io.BytesIO):
        def flush(self) -> None:
            pieces.append(self.getvalue())
            self.seek(0)
            self.truncate()

    lines = [b"a" * 30, b"b" * 30, b"c" * 30, b"d" * 200, b"e" * 30]
    whole = WholeLines(Pipe(), 64)
    data = b"\n".join(lines) + b"\n"
    assert whole.write(data) == len(data)
    whole.flush()
    assert b"".join(pieces) == data
    assert [piece.split(b"\n")[:-1] for piece in pieces] == [lines[:2], lines[2:3], lines[3:4], lines[4:]]


def test_what_was_true_of_a_dead_worker_is_forgotten(tmp_path: Path) -> None:
    """And what it counted is kept."""
    for name in ("gauge_livesum_1.db", "gauge_livesum_2.db", "gauge_max_1.db", "counter_1.db"):
        (tmp_path / name).touch()
    forget_worker(tmp_path, 1)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["counter_1.db", "gauge_livesum_2.db", "gauge_max_1.db"]
