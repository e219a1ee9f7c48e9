"""`python -m bench`: measure, print the table, and write it into bench/README.md."""

import argparse
import datetime
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from bench.audit import compare_audit
from bench.clients import released_binary
from bench.core import compare_core
from bench.report import table
from bench.services import compare_services
from bench.stacks import OTHER_CORE, pin

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
PARTS = ("aiohttp", "cryptography", "pynacl", "redis", "uvloop")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="pairs of slices (default: 7)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a slice (default: 2)")
    parser.add_argument("--core-only", action="store_true", help="leave the services out")
    arguments = parser.parse_args()
    pin(OTHER_CORE)
    found = compare_core(5 * arguments.rounds, arguments.seconds / 10)
    if not arguments.core_only:
        with tempfile.TemporaryDirectory(prefix="vestry-bench-") as folder:
            found += compare_services(Path(folder), released_binary(), arguments.rounds, arguments.seconds)
            found += compare_audit(Path(folder) / "audit", arguments.rounds, arguments.seconds)
    text = f"{_circumstances()}\n\n{table(found)}\n"
    print(text)
    if not arguments.core_only:
        _write(text)
    missed = [
        each.ours
        for each in found
        if each.to_reach and sorted(each.ratios)[len(each.ratios) // 2] < each.to_reach
    ]
    sys.exit(f"not reached: {', '.join(missed)}" if missed else 0)


def _circumstances() -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    parts = ", ".join(f"{name} {version(name)}" for name in PARTS)
    return (
        f"Measured on {today} by `make bench`: CPython {platform.python_version()}, {platform.machine()}, {parts}.\n"
        "Medians over alternating slices; server on one core, stores and load on the other."
    )


def _write(text: str) -> None:
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
