"""The peer's released server, installed by the project's own script."""

import subprocess
import sys
from pathlib import Path
from typing import Final

INSTALLER: Final = Path(__file__).resolve().parent.parent / "scripts" / "clients.py"


def released_binary() -> Path | None:
    """Return the path of vestauth's program; None, with a line that says why, where it cannot be had here."""
    done = subprocess.run(
        [sys.executable, INSTALLER, "binary"], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        print("bench: vestauth is not here, so nothing is measured against it", file=sys.stderr)
        return None
    return Path(done.stdout.strip())
