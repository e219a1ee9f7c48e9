"""The passwords of the compose stack are made once, fit together, and lie only where they are needed."""

import importlib.util
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy/make_secrets.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_secrets", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_secrets = load()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The four volumes, as they are before the first start."""
    for name in ("postgres", "redis", "registrar", "verifier"):
        (tmp_path / name).mkdir()
    return tmp_path


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_each_container_gets_its_own_and_no_more(root: Path) -> None:
    """The verifier gets no word about the database."""
    make_secrets.make(root)
    assert sorted(contents(root)) == [
        "postgres/superuser_password",
        "postgres/vestry_password",
        "redis/password",
        "redis/redis.conf",
        "registrar/database_url",
        "registrar/redis_url",
        "verifier/redis_url",
    ]


def test_both_ends_have_the_same_password(root: Path) -> None:
    """What a service presents is what its store expects."""
    make_secrets.make(root)
    made = contents(root)
    assert urlsplit(made["registrar/database_url"]).password == made["postgres/vestry_password"]
    for url in (made["registrar/redis_url"], made["verifier/redis_url"]):
        assert urlsplit(url).password == made["redis/password"]
    assert made["redis/redis.conf"] == f"requirepass {made['redis/password']}\n"


def test_passwords_are_long_and_all_different(root: Path) -> None:
    """256 random bits each."""
    make_secrets.make(root)
    made = contents(root)
    found = [made[name] for name in made if name.endswith("password")]
    assert len(set(found)) == 3
    assert {len(bytes.fromhex(password)) for password in found} == {32}


def test_a_second_run_changes_nothing(root: Path) -> None:
    """The stores keep the passwords they were made with."""
    make_secrets.make(root)
    before = contents(root)
    make_secrets.make(root)
    assert contents(root) == before


@pytest.mark.parametrize("lost", ["redis/redis.conf", "registrar/database_url", "verifier/redis_url"])
def test_a_run_that_was_killed_is_finished_by_the_next(root: Path, lost: str) -> None:
    """What follows from the passwords is written anew from those that are there."""
    make_secrets.make(root)
    before = contents(root)
    (root / lost).unlink()
    make_secrets.make(root)
    assert contents(root) == before


def test_every_image_may_read_its_own(root: Path) -> None:
    """The images run as users with different numbers; none may write."""
    make_secrets.make(root)
    assert {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()} == {0o444}
