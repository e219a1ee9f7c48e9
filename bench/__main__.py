"""`python -m bench`: measure, print the table, and write it into bench/README.md."""

import argparse
import datetime
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench import core, latency, lookups, memory, registrar, verify
from bench.again import repeated
from bench.audit import compare_audit
from bench.ground import Ground
from bench.peers import say
from bench.profile import profile
from bench.report import BEGIN, END, Row, missed, table, write_between
from bench.stacks import OTHER_CORE, pin

README: Final = Path(__file__).parent / "README.md"
LIBRARIES: Final = ("aiohttp", "cryptography", "pynacl", "redis", "uvloop")
PARTS: Final[dict[str, Callable[[Ground], Sequence[Row]]]] = {
    "core": core.core,
    "verify": verify.verify,
    "batch": verify.batch,
    "latency": latency.latency,
    "beside": latency.beside,
    "lookups": lookups.lookups,
    "memory": memory.memory,
    "register": registrar.register,
    "directory": registrar.directory,
    "audit": compare_audit,
}


def main() -> None:
    arguments = _arguments()
    pin(OTHER_CORE)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="vestry-bench-") as folder, ExitStack() as exits:
        ground = Ground(Path(folder), arguments.rounds, arguments.seconds, exits)
        if arguments.flame:
            profile(ground, README)
            return
        for name in arguments.only:
            began = time.monotonic()
            found = PARTS[name](ground)
            rows += found
            say(f"{name} took {time.monotonic() - began:.0f} s")
    text = f"{_circumstances()}\n\n{table(rows)}\n"
    print(text)
    if set(arguments.only) == set(PARTS):
        write_between(README, BEGIN, END, text)
    if missed(rows):
        sys.exit(f"not reached: {', '.join(missed(rows))}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "flame", nargs="?", choices=["flame"], help="draw bench/verify.svg of a verifier under load instead"
    )
    parser.add_argument("--rounds", type=int, default=5, help="pairs of slices (default: 5)")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a slice (default: 1.5)")
    parser.add_argument(
        "--only",
        type=_parts,
        default=list(PARTS),
        metavar="PART,…",
        help=f"of {', '.join(PARTS)}; not written",
    )
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(sorted(unknown))}")
    return names


def _circumstances() -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    parts = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    return (
        f"Measured on {today} by `{command}` (`make bench`): CPython {platform.python_version()}, "
        f"{platform.machine()}, {parts}.\n"
        "Medians over alternating slices; server on one core, stores and load on the other. "
        f"Slices made again after an answer that was not 200: {len(repeated)}."
    )


if __name__ == "__main__":
    main()
