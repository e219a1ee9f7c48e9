"""Delete DATA_DIR, after asking: `make reset`."""

import os
import shutil
import sys
from pathlib import Path

import click

from vestry.embedded import CannotStart, DataDir


def main() -> None:
    path = Path(os.environ.get("DATA_DIR") or ".vestry").absolute()
    # Somebody's home is not a data folder of ours, whatever DATA_DIR says.
    if not (path / "lock").is_file():
        click.echo(f"nothing to delete: {path} is no data folder of vestry")
        return
    try:
        with DataDir(path):
            click.confirm(f"Delete {path}, with every agent and key in it?", abort=True)
            shutil.rmtree(path)
            click.echo(f"deleted {path}")
    except click.Abort:
        click.echo("nothing was deleted")
    except CannotStart as error:
        sys.exit(f"vestry: {error}")


if __name__ == "__main__":
    main()
