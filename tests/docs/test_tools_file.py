"""The sample file of tools, and every piece of one that the documents show, is a file that the verifier takes."""

import re

import pytest

from documents import ROOT, codes, rows
from tools_files import BASE
from vestry_verifier.tools_file.book import read_book

PAGE = (ROOT / "docs/operators/tools-file.md").read_text()
SHOWN = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SAMPLE = (ROOT / "deploy/tools.example.toml").read_text()


@pytest.mark.parametrize("text", SHOWN)
def test_what_the_page_shows_can_be_used(text: str) -> None:
    """Copied as it stands."""
    read_book(text.encode(), BASE)


def test_the_sample_can_be_used() -> None:
    """As a whole, and it has tools of every kind."""
    book = read_book(SAMPLE.encode(), BASE)
    assert book.names == ["orders", "search"]
    assert book.default is not None
    assert {tool.observes for tool in book.by_hash.values()} == {True, False}


def test_the_page_and_the_sample_know_every_name() -> None:
    """What a tool can say is in the table, once, and the sample shows it."""
    documented = [codes(name)[0] for name, *_ in rows(PAGE, "name")]
    known = re.findall(
        r'table\.(?:take|need|array)\("(\w+)"',
        (ROOT / "services/verifier/vestry_verifier/tools_file/book.py").read_text(),
    )
    assert sorted(documented) == sorted(set(known) - {"hosts"})
    for name in documented:
        assert re.search(rf"^\[?\[?{name}\b", SAMPLE, re.MULTILINE), name
