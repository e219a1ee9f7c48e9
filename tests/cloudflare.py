"""Cloudflare's released web-bot-auth (npm), unmodified, driven by a task in JSON."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from clients import need

DRIVER = Path(__file__).parent / "end_to_end" / "cloudflare.cjs"


def drive(task: dict[str, Any]) -> dict[str, Any]:
    """Have a request signed or read; `cloudflare.cjs` says how. Skips the test where the package is not to be had."""
    library = need("cloudflare")
    done = subprocess.run(
        ["node", str(DRIVER)],
        env={"PATH": os.environ["PATH"], "NODE_PATH": str(library.parent)},
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
