"""Delete DATA_DIR, after asking: `make reset`."""

import os
import shutil
import sys
from pathlib import Path

import click

from vestry.embedded import CannotStart, DataDir


def main() -> str | None:
    path = Path(os.environ.get("DATA_DIR") or ".vestry").absolute()
    # Somebody's home is not a data folder of ours, whatever DATA_DIR says.
    if not (path / "lock").is_file():
        return f"there is nothing to delete: {path} is no data folder of vestry"
    try:
        with DataDir(path):
            if not click.confirm(f"Delete {path}, with every agent and key in it?"):
                return "nothing was deleted"
            shutil.rmtree(path)
    except CannotStart as error:
        return str(error)
    except click.Abort:
        return "nothing was deleted"
    click.echo(f"deleted {path}")
    return None


if __name__ == "__main__":
    sys.exit(main())
