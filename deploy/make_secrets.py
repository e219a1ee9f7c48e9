"""Make the passwords of the compose stack, once: `python make_secrets.py FOLDER`.

Below FOLDER lies a folder for each container, a volume that nobody else mounts, so a container sees its own
secrets and no others. What is there already is kept: running this again changes nothing, and a run that was
killed half-way is finished by the next one, since the URLs are always written anew from the passwords.

Files are readable by every user of the container that mounts them, because the images run as users with different
numbers; on the host only root can look into Docker's volumes.
"""

import secrets
import sys
from pathlib import Path
from typing import Final

PASSWORD_BYTES: Final = 32


def make(root: Path) -> None:
    """Make what is missing below `root`."""
    kept(root / "postgres" / "superuser_password")
    database = kept(root / "postgres" / "vestry_password")
    redis = kept(root / "redis" / "password")
    redis_url = f"redis://:{redis}@redis:6379/0"
    write(root / "redis" / "redis.conf", f"requirepass {redis}\n")
    write(root / "registrar" / "database_url", f"postgresql://vestry:{database}@postgres:5432/vestry")
    write(root / "registrar" / "redis_url", redis_url)
    write(root / "verifier" / "redis_url", redis_url)


def kept(path: Path) -> str:
    """Return the password in a file, made now if there is none. Its characters mean nothing to a URL or a shell."""
    if not path.exists():
        write(path, secrets.token_hex(PASSWORD_BYTES))
    return path.read_text("ascii")


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, "ascii")
    new.chmod(0o444)
    new.replace(path)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
