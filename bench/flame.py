"""Stacks as a flame graph, in plain SVG without any script. Pure.

Each box is a function, as wide as the share of samples in which it was on the stack; above it lies what it called.
What all stacks have in common at their root (how Python starts a module) is left out, and so is what would be too
narrow to see. The colour is that of the *room* a function belongs to. The sums by room count each sample once, for
the innermost function: work in C counts for the Python function that called it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from xml.sax.saxutils import escape

Stack: TypeAlias = tuple[str, ...]
"""Frames like `find (vestry_verifier/key_cache.py:52)`, the outermost first."""

WIDTH: Final = 1200  # pixels
ROW: Final = 17
NARROWEST: Final = 1.5
LETTER: Final = 6.6  # width of one
OTHER: Final = "everything else"
# The first that matches. A function generated from text has no file: it belongs where its caller does.
ROOMS: Final = (
    ("Ed25519", "#e5604d", r"nacl/|cryptography/|vestry_signatures/algorithms"),
    ("signature core: parse, policy, base", "#f0a35e", r"vestry_signatures/"),
    ("nonce and live record, by Redis", "#7fb069", r"redis/|/store/|/replay|/live_|/limits|/publisher"),
    ("Postgres", "#5b8c9c", r"asyncpg/|/postgres|/repository/|/edge"),
    ("log and metrics", "#b9a0d0", r"prometheus_client/|structlog/|/log|/metrics|/tally|/access|/observed|/counted"),
    ("JSON", "#e8d174", r"json/|/question|/rendering|/requests"),
    ("HTTP and event loop", "#6fa8dc", r"aiohttp/|uvloop/|asyncio/|multidict|yarl|/lean_|/protocol|/handlers/"),
    ("judge, keys, whom to trust", "#d9b8b8", r"vestry_verifier/|vestry_registrar/|/verification|/trust|/uses"),
    (OTHER, "#c8c8c8", r""),
)  # fmt: skip
_GENERATED: Final = re.compile(r"\(<\w+>:\d+\)$")


@dataclass(slots=True)
class _Box:
    samples: int = 0
    children: dict[str, "_Box"] = field(default_factory=dict)


def room_of(stack: Stack) -> str:
    """The room of the innermost function that has a file."""
    for frame in reversed(stack):
        if not _GENERATED.search(frame):
            return _room(frame)[0]
    return OTHER


def rooms(stacks: Mapping[Stack, int]) -> list[tuple[str, float]]:
    """The share of each room, largest first."""
    sums: Counter[str] = Counter()
    for stack, number in stacks.items():
        sums[room_of(stack)] += number
    whole = sum(sums.values())
    return [(room, number / whole) for room, number in sums.most_common()]


def draw(stacks: Mapping[Stack, int], title: str) -> str:
    """Draw a flame graph."""
    root = _without_the_start(_tree(stacks))
    boxes = list(_boxes("all", root, 0.0, 0, WIDTH / root.samples))
    depth = 1 + max(level for *_, level in boxes)
    height = (depth + len(ROOMS) + 4) * ROW
    bottom = (depth + 1) * ROW
    head = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
    parts = [
        f'<svg {head} font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="4" y="13">{escape(title)}</text>',
    ]
    parts += [
        _drawn(frame, left, width, bottom - level * ROW, share) for frame, left, width, share, level in boxes
    ]
    parts += _legend(stacks, bottom + 2 * ROW)
    return "\n".join([*parts, "</svg>", ""])


def _tree(stacks: Mapping[Stack, int]) -> _Box:
    root = _Box()
    for stack, number in stacks.items():
        box = root
        box.samples += number
        for frame in stack:
            box = box.children.setdefault(_shown(frame), _Box())
            box.samples += number
    return root


def _without_the_start(box: _Box) -> _Box:
    """Go in while everything is within one child."""
    while len(box.children) == 1:
        [child] = box.children.values()
        if child.samples < box.samples:
            break
        box = child
    return box


def _boxes(
    frame: str, box: _Box, left: float, level: int, scale: float
) -> Iterator[tuple[str, float, float, float, int]]:
    """Yield frame, left edge, width, share and level of a box and of all in it that can be seen."""
    width = box.samples * scale
    yield frame, left, width, width / WIDTH, level
    for name, child in sorted(box.children.items()):
        if child.samples * scale >= NARROWEST:
            yield from _boxes(name, child, left, level + 1, scale)
        left += child.samples * scale


def _drawn(frame: str, left: float, width: float, top: float, share: float) -> str:
    name = escape(frame)
    colour = _room(frame)[1]
    box = (
        f'<g><title>{name}: {share:.1%}</title><rect x="{left:.1f}" y="{top:.0f}" width="{width:.1f}"'
        f' height="{ROW - 1}" fill="{colour}"/>'
    )
    room = int((width - 4) / LETTER)
    if room >= 3:
        box += f'<text x="{left + 2:.1f}" y="{top + 12:.0f}">{escape(frame[:room])}</text>'
    return box + "</g>"


def _legend(stacks: Mapping[Stack, int], top: float) -> Iterator[str]:
    colours = {room: colour for room, colour, _ in ROOMS}
    for number, (room, share) in enumerate(rooms(stacks)):
        y = top + number * ROW
        yield f'<rect x="4" y="{y:.0f}" width="12" height="12" fill="{colours[room]}"/>'
        yield f'<text x="22" y="{y + 10:.0f}">{share:.0%} {escape(room)}</text>'


def _room(frame: str) -> tuple[str, str]:
    return next((room, colour) for room, colour, pattern in ROOMS if re.search(pattern, frame))


def _shown(frame: str) -> str:
    """A frame without the folders around a package: no path of a machine gets into a picture."""
    name, bracket, place = frame.rpartition(" (")
    folders = place.split("/")
    return f"{name}{bracket}{'/'.join(folders[-3:])}" if place.startswith("/") else frame
