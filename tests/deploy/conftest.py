"""Compose and promtool, for checking files: neither needs an engine or a server."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache/deploy-tools"


@pytest.fixture(scope="session")
def compose() -> list[str]:
    """The command of Compose v2."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and _works([*command, "version"]):
            return command
    return [_fetched("docker-compose")]


@pytest.fixture(scope="session")
def promtool() -> str:
    """The command promtool."""
    return shutil.which("promtool") or _fetched("promtool")


def _fetched(name: str) -> str:
    """Return where `fetch-tools.sh` has put a tool; in CI have it put there, since a skip proves nothing."""
    tool = CACHE / "bin" / name
    if tool.exists():
        return str(tool)
    script = HERE / "fetch-tools.sh"
    if "CI" not in os.environ:
        pytest.skip(f"{name} is missing; on Debian this brings it: {_shown(script)} {_shown(CACHE)}")
    subprocess.run([script, CACHE], check=True, timeout=300)
    return str(tool)


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _shown(path: Path) -> Path:
    return path.relative_to(HERE.parents[1])
