"""Programs that are not Python packages of the project's lock: what a script of ours fetches, and what is missing.

Where one cannot be had, the test is skipped and says what is missing. Where `CI` is set, that is a failure: a green
run there means that the real programs were driven.
"""

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]


@functools.cache
def _find(script: str, name: str) -> tuple[Path | None, str]:
    """Return where a program is, or None and why it cannot be had."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    found = done.stdout.strip()
    return (Path(found), "") if done.returncode == 0 else (None, done.stderr.strip())


def fetched(script: str, name: str) -> Path:
    """Return where the program is that a script of `scripts/` fetches and names; without it the test ends here."""
    path, why = _find(script, name)
    return path or missing(f"{name} is not here: {why}")


def missing(because: str) -> NoReturn:
    """End a test for which something is missing that is not ours to install."""
    if os.environ.get("CI"):
        pytest.fail(because)
    pytest.skip(because)
