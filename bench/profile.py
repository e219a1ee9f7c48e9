"""Where the time of a request goes in a verifier under load: a flame graph as `bench/verify.svg`.

py-spy looks at the running process from outside, some hundred times a second, without anything built into it. Its
stacks are drawn by flame.py: nothing of this machine, no path and no name of a host, gets into the picture.
"""

import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Final

from bench import traffic
from bench.flame import Stack, draw, rooms
from bench.ground import CONNECTIONS, Ground
from bench.load import rate
from bench.peers import python_package, say
from bench.report import write_between

PICTURE: Final = Path(__file__).parent / "verify.svg"
PER_SECOND: Final = 400
LENGTH: Final = 12  # seconds
BEGIN: Final = "<!-- rooms: begin -->\n"
END: Final = "<!-- rooms: end -->\n"


def profile(ground: Ground, readme: Path) -> None:
    """Profile the verifier while it is asked as much as it can answer, draw that, and write the sums into a file."""
    folder = python_package("py-spy")
    if folder is None:
        raise SystemExit("bench: without py-spy there is no profile")
    stacks = _record(ground, folder / "bin" / "py-spy")
    PICTURE.write_text(draw(stacks, f"/verify under load: {sum(stacks.values()):,} samples"))
    shares = rooms(stacks)
    text = "| where | share |\n| --- | --- |\n"
    text += "".join(f"| {room} | {share:.0%} |\n" for room, share in shares)
    print(text)
    write_between(readme, BEGIN, END, text)
    say(f"drawn: {PICTURE.name}")


def _record(ground: Ground, py_spy: Path) -> Counter[Stack]:
    verifier, agent = ground.vestry.verifier, ground.agent
    number = 9_000 * (LENGTH + 4)
    requests = traffic.verify_requests(f"localhost:{verifier.port}", agent.key, agent.url, number)
    load = threading.Thread(target=rate, args=(verifier.port, requests, CONNECTIONS, LENGTH + 3.0))
    load.start()
    raw = ground.folder / "stacks"
    command = [str(py_spy), "record", "--function", "--format", "raw", "--output", str(raw)]
    command += ["--pid", str(verifier.pid)]
    command += ["--duration", str(LENGTH), "--rate", str(PER_SECOND)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    load.join()
    if done.returncode != 0:
        raise SystemExit(f"bench: py-spy may not look at a process here: {done.stderr.strip()[-300:]}")
    return read_stacks(raw.read_text())


def read_stacks(raw: str) -> Counter[Stack]:
    """Read `frame;frame;frame number` lines."""
    stacks: Counter[Stack] = Counter()
    for line in raw.splitlines():
        frames, _, number = line.rpartition(" ")
        stacks[tuple(frames.split(";"))] += int(number)
    return stacks
