"""What documents say about the code is what the code says: reasons, settings, metrics, log fields, tests, links."""

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

import vestry_service.errors  # noqa: F401 - its classes belong to the family below
from documents import ROOT, anchors, codes, documents, links, rows
from vestry.stack.settings import StackSettings
from vestry_registrar.settings import RegistrarSettings
from vestry_service.log_lines import FIELDS
from vestry_service.metrics import Metrics
from vestry_service.settings import SettingsError, load
from vestry_signatures.errors import VestryError
from vestry_signatures.profiles import STRICTEST_FIRST
from vestry_verifier.settings import VerifierSettings

README = (ROOT / "README.md").read_text()
SIGNATURES = (ROOT / "docs" / "signatures.md").read_text()
RUNNING = (ROOT / "docs" / "operators" / "running.md").read_text()


def _family(cls: type[VestryError]) -> Iterator[type[VestryError]]:
    yield cls
    for child in cls.__subclasses__():
        if child.__module__.startswith("vestry"):
            yield from _family(child)


def test_every_reason_is_explained_with_its_status_and_outcome() -> None:
    """The table of refusals holds each reason of the code once, with the facts of its class, and no other."""
    table = rows(SIGNATURES, "reason")
    documented = [(codes(reason)[0], int(status), outcome) for reason, status, outcome, _ in table]
    facts = {
        (error.reason, error.status, f"`{error.outcome}`" if error.outcome else "-")
        for error in _family(VestryError)
        if "reason" in vars(error)
    }
    assert len(documented) == len(set(documented))
    assert set(documented) == facts


def test_every_profile_is_explained() -> None:
    """The table of profiles has a column for each."""
    [heading] = [line for line in SIGNATURES.splitlines() if line.startswith("| | `")]
    assert set(codes(heading)) == {*STRICTEST_FIRST, "registration"}


class _Asked(Mapping[str, str]):
    """An empty environment that remembers which variables were looked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _variables() -> set[str]:
    asked = _Asked()
    for cls in (RegistrarSettings, VerifierSettings, StackSettings):
        with suppress(SettingsError):
            load(cls, asked)
    return asked.names


def test_every_setting_is_in_the_table() -> None:
    """The configuration table names what the code reads, and nothing else; secrets say that a file may hold them."""
    table = {name: row for row in rows(README, "name") for name in codes(row[0])}
    read = _variables()
    secret = {name for name in read if f"{name}_FILE" in read}
    assert set(table) == read - {f"{name}_FILE" for name in secret}
    assert {name for name, row in table.items() if "secret" in row[2]} == secret


def test_the_defaults_in_the_table_are_those_of_the_code() -> None:
    """Every default that stands in code marks is what the code takes when nothing is said."""
    needed = {"DATABASE_URL": "postgresql://localhost/vestry", "REDIS_URL": "redis://localhost"}
    settings = [load(RegistrarSettings, needed), load(VerifierSettings, needed), StackSettings.read({})]
    compared = set()
    for names, default, _ in rows(README, "name"):
        shown = [text.format(PORT=3000, INTERNAL_PORT=3001) for text in codes(default)]
        for name in codes(names):
            found = {_text(getattr(each, name.lower())) for each in settings if hasattr(each, name.lower())}
            if name not in {*needed, "BIND", "LOG_FORMAT"} and shown and found:
                assert found == {shown[codes(names).index(name)]}, name
                compared.add(name)
    assert len(compared) >= 15


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def test_every_metric_is_explained_with_its_labels() -> None:
    """The table of metrics holds what `/metrics` can show, with the labels of each, and nothing else."""
    shown = {}
    for collector in set(Metrics("registrar", "0").registry._names_to_collectors.values()):
        [family] = collector.describe()
        suffix = "_total" if family.type == "counter" else ""
        shown[family.name + suffix] = set(collector._labelnames)
    documented = {codes(metric)[0]: set(codes(labels)) for metric, labels, _ in rows(RUNNING, "metric")}
    assert documented == shown


def test_every_log_field_is_explained() -> None:
    """The table of log fields holds the fields of a line in their order."""
    assert tuple(name for row in rows(RUNNING, "field") for name in codes(row[0])) == FIELDS


@pytest.mark.parametrize(("document", "heading"), [("README.md", "promise"), ("docs/security.md", "threat")])
def test_every_promise_names_a_test_that_exists(document: str, heading: str) -> None:
    """Each promise, and each threat that is said to be stopped, points at a test by file and name."""
    promises = rows((ROOT / document).read_text(), heading)
    assert len(promises) >= 10
    for promise, *_, named in promises:
        [place] = codes(named)
        file, _, name = place.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        tests = {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert name in tests, promise


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_internal_links_lead_somewhere(document: Path) -> None:
    """A link into the project names a file that is there, and a heading that is in it."""
    for link in links(document.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_every_document_can_be_reached() -> None:
    """From the README a reader comes to every document."""
    found, waiting = set(), [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        found.add(document)
        inside = [link.partition("#")[0] for link in links(document.read_text()) if ":" not in link]
        targets = {(document.parent / link).resolve() for link in inside if link.endswith(".md")}
        waiting += targets - found
    assert set(documents()) <= found


def test_the_readme_is_short() -> None:
    """A stranger reads it in five minutes."""
    assert len(README.splitlines()) <= 240


def test_the_changelog_says_what_is_new() -> None:
    """There is an Unreleased section, first, with something in it."""
    text = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sections[0] == "Unreleased"
    unreleased = text.partition("## Unreleased")[2].partition("\n## ")[0]
    assert re.search(r"^- \S", unreleased, re.MULTILINE)
