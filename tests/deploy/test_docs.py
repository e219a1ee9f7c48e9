"""What the pages for operators say about the compose stack is so."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy/docker-compose.yml"
PAGE = (ROOT / "docs/operators/compose.md").read_text()
LINKS = re.compile(r"\]\(([^)#:]+)\)")


def resolved(compose: list[str], *files: Path) -> dict[str, Any]:
    named = [word for file in files for word in ("-f", str(file))]
    done = subprocess.run([*compose, *named, "config"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stack: dict[str, Any] = yaml.safe_load(done.stdout)
    return stack


def test_a_database_elsewhere_takes_the_place_of_ours(compose: list[str], tmp_path: Path) -> None:
    """The printed file removes our Postgres and gives the registrar, and it alone, the other one's URL."""
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    override = tmp_path / "override.yml"
    override.write_text(block)
    stack = resolved(compose, FILE, override)
    assert "postgres" not in stack["services"]
    assert set(stack["services"]["registrar"]["depends_on"]) == {"secrets", "redis"}
    [secret] = stack["services"]["registrar"]["secrets"]
    given = stack["services"]["registrar"]["environment"]["DATABASE_URL_FILE"]
    assert given == f"/run/secrets/{secret['source']}"
    assert not stack["services"]["verifier"].get("secrets")


def test_every_variable_of_the_stack_is_explained() -> None:
    """Whatever the file takes from the environment by itself stands in the table, and nothing else does."""
    taken = set(re.findall(r"\$\{([A-Z_]+)", FILE.read_text()))
    table = PAGE[PAGE.index("| name | default | meaning |") : PAGE.index("## What protects what")]
    cells = (line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    explained = {name for cell in cells for name in re.findall(r"`([A-Z_]+)`", cell)}
    assert explained == taken | {"TRUSTED_PROXIES"}


def test_every_link_leads_somewhere() -> None:
    """Within the repository."""
    for page in (ROOT / "docs/operators/compose.md", ROOT / "docs/operators/tls-and-dns.md"):
        for target in LINKS.findall(page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
