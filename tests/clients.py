"""Released clients for tests, unmodified, as `scripts/clients.py` installs them."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fetched import fetched

CLIENTS = ("javascript", "binary")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def need(name: str) -> Path:
    """Return where a released program is (`javascript`, `binary` or `cloudflare`); skip the test, or fail in CI."""
    return fetched("clients.py", name)


@dataclass(frozen=True)
class Said:
    """What a client said, without colours, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self
        return json.loads(self.out)


@dataclass(frozen=True)
class Client:
    """A released client that works in a folder of its own, where it keeps its `.env`.

    Attributes:
        name: `javascript` or `binary`.
        program: its path.
        folder: where it runs.
    """

    name: str
    program: Path
    folder: Path

    def run(self, *arguments: str, **environ: str) -> Said:
        """Run a command of the client, told nothing by our environment."""
        done = subprocess.run(
            [str(self.program), *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Said(done.returncode, _COLOUR.sub("", done.stdout), _COLOUR.sub("", done.stderr))

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Have a request signed."""
        made: dict[str, str] = self.run("agent", "headers", method, url).json
        return made

    @property
    def env(self) -> Path:
        """The file in which it keeps the agent's uid and keys."""
        return self.folder / ".env"

    def kept(self, name: str) -> str:
        """Return what it keeps under a name."""
        found = re.search(rf'^{name}="(.*)"$', self.env.read_text(), re.MULTILINE)
        assert found is not None, f"{name} is not in .env"
        return found[1]
