"""The bench suite's arithmetic, its table and its picture, and that a part of it runs. Nothing here is timed."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench.__main__ import README
from bench.figures import Sample, cpu_of, percentile, ratios, spread
from bench.flame import draw, room_of, rooms
from bench.profile import read_stacks
from bench.report import BEGIN, END, Comparison, Goal, Measurement, compare, missed, table, write_between

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    """Of one to a hundred, in any order."""
    values = [float(value) for value in range(1, 101)]
    random.Random(1).shuffle(values)
    assert percentile(values, share) == expected


def test_a_percentile_of_nothing_is_an_error() -> None:
    """No answers are not fast answers."""
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.99)


def test_ratios_are_of_the_slices_of_one_round() -> None:
    """A machine that slows down in one round slows both sides down: the ratio stays."""
    ours = [Sample(800, 0.001), Sample(80, 0.002), Sample(900, 0.003)]
    theirs = [Sample(100), Sample(10), Sample(100)]
    assert ratios(ours, theirs) == [8.0, 8.0, 9.0]
    assert spread(ratios(ours, theirs)) == (8.0, 8.0, 9.0)
    assert cpu_of(ours) == 0.002
    assert cpu_of(theirs) is None


def test_slices_alternate_after_a_warm_up() -> None:
    """And the warm-up counts for neither side."""
    order: list[str] = []

    def slice_of(name: str, warm: float, rate: float) -> Sample:
        order.append(name)
        return Sample(warm if order.count(name) == 1 else rate)

    found = compare(("a", lambda: slice_of("a", 1, 30)), ("b", lambda: slice_of("b", 1, 10)), 3, 2.0)
    assert "".join(order) == "abababab"
    assert found.found == (3.0, 3.0, 3.0)


def test_the_table_tells_what_was_reached() -> None:
    """By the median: at least for what should be fast, at most for what should be small."""
    fast = Comparison("fast", "x", [Sample(90, 0.0001)] * 3, [Sample(10, 0.001)] * 3, Goal(8.0))
    slow = Comparison("slow", "x", [Sample(70)] * 3, [Sample(10)] * 3, Goal(8.0))
    long = Comparison("long", "x", [Sample(10)], [Sample(15)], Goal(1.3, at_most=True), times=True)
    small = Measurement("small", "", [99.6, 101.0, 250.0], "B", Goal(120, at_most=True))
    assert missed([fast, slow, long, small]) == ["slow", "long"]
    lines = table([fast, slow, long, small]).splitlines()[2:]
    assert lines == [
        "| fast | x | **9.00** | 9.00 to 9.00 | 8.00 | yes | 90 | 10 | 100 µs | 1,000 µs |",
        "| slow | x | **7.00** | 7.00 to 7.00 | 8.00 | **no** | 70 | 10 |  |  |",
        "| long | x | **1.50** | 1.50 to 1.50 | at most 1.30 | **no** | 10 | 15 |  |  |",
        "| small |  | **101 B** | 100 B to 250 B | at most 120 B | yes |  |  |  |  |",
    ]


def test_only_the_table_is_written_anew(tmp_path: Path) -> None:
    """What stands around it stays."""
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}old\n{END}after\n")
    write_between(readme, BEGIN, END, "new\n")
    assert readme.read_text() == f"before\n{BEGIN}new\n{END}after\n"
    for mark in (BEGIN, END):
        assert README.read_text().count(mark) == 1


STACKS = """\
main (<frozen runpy>:1);run (asyncio/runners.py:1);handle (/home/somebody/x/aiohttp/web.py:3) 60
main (<frozen runpy>:1);run (asyncio/runners.py:1);verify (vestry_signatures/verify.py:9);check (nacl/b.py:2) 30
main (<frozen runpy>:1);run (asyncio/runners.py:1);verify (vestry_signatures/verify.py:9);<lambda> (<string>:1) 10
"""


def test_a_sample_counts_for_the_innermost_function_that_has_a_file() -> None:
    """Generated code belongs to its caller."""
    stacks = read_stacks(STACKS)
    assert sum(stacks.values()) == 100
    assert rooms(stacks) == [
        ("HTTP and event loop", 0.6),
        ("Ed25519", 0.3),
        ("signature core: parse, policy, base", 0.1),
    ]
    assert room_of(("main (<frozen runpy>:1)",)) == "everything else"


def test_the_picture_is_svg_and_names_no_folder_of_this_machine() -> None:
    """The start that all stacks share is left out; the boxes are as wide as their share."""
    picture = draw(read_stacks(STACKS), "a & b")
    ElementTree.fromstring(picture)
    assert "somebody" not in picture
    assert "frozen" not in picture
    assert 'width="720.0"' in picture  # 60 % of 1200
    assert "&lt;lambda&gt;" in picture


@pytest.mark.parametrize("name", ["verify", "batch", "register", "directory"])
def test_a_picture_in_the_project_is_small_and_clean(name: str) -> None:
    """It is made on somebody's machine, and shows nothing of it."""
    picture = (ROOT / "bench" / f"{name}.svg").read_text()
    assert len(picture) < 300_000
    ElementTree.fromstring(picture)
    assert not [word for word in ("/home", "/root", "/tmp", "/work", "site-packages") if word in picture]


def test_narrow_boxes_are_left_out() -> None:
    """A picture of many thousand functions stays a small file."""
    stacks = Counter({("main (a.py:1)", f"f{n} (b.py:{n})"): 1 for n in range(5000)})
    stacks["main (a.py:1)", "wide (b.py:1)"] = 5000
    picture = draw(stacks, "many")
    assert "wide (b.py:1)" in picture
    assert "f17 " not in picture


def test_a_part_runs_by_itself() -> None:
    """Stores, services, load and table, in a few slices; a part alone does not touch what is written down."""
    before = README.read_text()
    command = [sys.executable, "-m", "bench", "--only", "batch", "--rounds", "1", "--seconds", "0.1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.count("| `/verify/batch` of 50, a question |") == 2, done.stderr
    assert README.read_text() == before
