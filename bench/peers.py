"""What others have released, installed once under .cache: npm's by scripts/clients.py, PyPI's by pip.

A Python package is put into a folder of its own without its dependencies: it runs on the very `cryptography` and
`http-sf` that we run on, and the project's own environment stays what its lock file says.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
INSTALLER: Final = ROOT / "scripts" / "clients.py"
CACHE: Final = ROOT / ".cache" / "bench"
PYTHON_PEERS: Final = {"http-message-signatures": "3.0.0", "py-spy": "0.4.3"}


def released(name: str) -> Path | None:
    """Return the path of a release of scripts/clients.py; None, with a line that says why, where it cannot be had."""
    done = subprocess.run([sys.executable, INSTALLER, name], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        say(f"{name} is not here, so nothing is measured against it")
        return None
    return Path(done.stdout.strip())


def python_package(name: str) -> Path | None:
    """Return the folder that holds a released Python package; None, with a line, where it cannot be had."""
    wanted = f"{name}=={PYTHON_PEERS[name]}"
    folder = CACHE / wanted
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-deps"]
        command = [*pip, "--only-binary", ":all:", "--upgrade", "--target", str(unfinished), wanted]
        if subprocess.run(command, check=False).returncode != 0:
            say(f"{name} cannot be installed, so nothing is done with it")
            return None
        unfinished.rename(folder)
    return folder


def say(line: str) -> None:
    """Tell how it goes, beside the table."""
    print(f"bench: {line}", file=sys.stderr, flush=True)
