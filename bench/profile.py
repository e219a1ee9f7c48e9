"""Where the time of a request goes in a server under load: a flame graph each, and the sums beside each other.

py-spy looks at the running process from outside, some hundred times a second, without anything built into it. Its
stacks are drawn by flame.py: nothing of this machine, no path and no name of a host, gets into the picture.
"""

import subprocess
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from bench import traffic
from bench.flame import ROOMS, Stack, draw, rooms
from bench.ground import CONNECTIONS, Ground
from bench.load import rate
from bench.peers import python_package, say
from bench.report import write_between
from bench.stacks import Running

FOLDER: Final = Path(__file__).parent
PER_SECOND: Final = 400
LENGTH: Final = 8  # seconds
BEGIN: Final = "<!-- rooms: begin -->\n"
END: Final = "<!-- rooms: end -->\n"


class Target(NamedTuple):
    """What is looked at: the name of its picture, the server, and enough requests to keep it busy."""

    name: str
    what: str
    server: Running
    requests: Sequence[bytes]


def profile(ground: Ground, readme: Path) -> None:
    """Profile each server while it is asked as much as it can answer, draw that, and write the sums into a file."""
    folder = python_package("py-spy")
    if folder is None:
        raise SystemExit("bench: without py-spy there is no profile")
    shares: dict[str, dict[str, float]] = {}
    for target in _targets(ground):
        stacks = _record(target, ground.folder / "stacks", folder / "bin" / "py-spy")
        title = f"{target.what} under load: {sum(stacks.values()):,} samples"
        (FOLDER / f"{target.name}.svg").write_text(draw(stacks, title))
        shares[f"[{target.what}]({target.name}.svg)"] = dict(rooms(stacks))
        say(f"drawn: {target.name}.svg")
    text = _table(shares)
    print(text)
    write_between(readme, BEGIN, END, text)


def _targets(ground: Ground) -> list[Target]:
    (registrar, verifier, _), agents = ground.vestry, ground.agents
    asked, base, seconds = f"localhost:{verifier.port}", f"localhost:{registrar.port}", LENGTH + 4
    at_home = traffic.directory_request(urlsplit(agents[0].url).netloc)
    singles = traffic.verify_requests(asked, agents, 9_000 * seconds)
    batches = traffic.batch_requests(asked, agents, 240 * seconds, 50)
    return [
        Target("verify", "/verify", verifier, singles),
        Target("batch", "/verify/batch", verifier, batches),
        Target("register", "/register", registrar, traffic.register_requests(base, 2_000 * seconds)),
        Target("directory", "directory", registrar, [at_home] * (12_000 * seconds)),
    ]


def _record(target: Target, raw: Path, py_spy: Path) -> Counter[Stack]:
    load = threading.Thread(
        target=rate, args=(target.server.port, target.requests, CONNECTIONS, LENGTH + 3.0)
    )
    load.start()
    command = [str(py_spy), "record", "--function", "--format", "raw", "--output", str(raw)]
    command += ["--pid", str(target.server.pid), "--duration", str(LENGTH), "--rate", str(PER_SECOND)]
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


def _table(shares: dict[str, dict[str, float]]) -> str:
    """The rooms as a Markdown table, a column each."""
    lines = [f"| where | {' | '.join(shares)} |", "| --- |" + " --- |" * len(shares)]
    lines += [
        f"| {room} | {' | '.join(f'{each.get(room, 0):.0%}' for each in shares.values())} |"
        for room, _, _ in ROOMS
    ]
    return "\n".join([*lines, ""])
