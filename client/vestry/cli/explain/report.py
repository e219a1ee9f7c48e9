"""What an explanation says, for people: a list of checks, the text that was signed, what failed, what would help."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Facts = Mapping[str, Any]
MARKS: Final = {"passed": "✓", "failed": "✗", "skipped": "–"}
PLAIN_MARKS: Final = {"passed": "+", "failed": "x", "skipped": "-"}


def report(told: Facts, encoding: str) -> str:
    """Write an explanation out.

    Args:
        told: what `/verify/explain` answered.
        encoding: of the terminal; where it has no check marks there are plain ones.
    """
    marks = MARKS if _can(encoding, "".join(MARKS.values())) else PLAIN_MARKS
    text = "\n".join(_printable(line) for part in _parts(told, marks) for line in part)
    return text.encode(encoding, "replace").decode(encoding)


def _can(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _parts(told: Facts, marks: Mapping[str, str]) -> Iterator[Sequence[str]]:
    checks = told["checks"]
    width = max(len(check["check"]) for check in checks)
    labels = [None, *(each["label"] for each in told["signatures"])]
    for label in labels:
        found = [check for check in checks if check["signature"] == label]
        if label is not None:
            yield ["", f"signature {label}"]
        yield [f"{marks[each['result']]} {each['check']:<{width}}  {each['saw']}" for each in found]
        yield from _base(told, label)
    yield ["", *_conclusion(told)]


def _base(told: Facts, label: str | None) -> Iterator[Sequence[str]]:
    for each in told["signatures"]:
        if each["label"] == label and each["signature_base"] is not None:
            yield ["  the text that must have been signed:"]
            yield [f"    {line}" for line in each["signature_base"].split("\n")]


def _conclusion(told: Facts) -> list[str]:
    if told["reason"] is None:
        signer = told["signer"]
        return [f"would verify: {signer['uid']}, profile {signer['profile']}, signature {signer['label']}"]
    outcome = told["outcome"] or "no signature was judged"
    return [
        f"would be refused: {told['reason']} ({told['status']}, {outcome})",
        f"failed: {told['failed']}: {told['message']}",
        f"hint: {told['hint']}",
    ]


def _printable(line: str) -> str:
    """Leave no character in that would move a terminal's cursor: much of this is what a stranger sent."""
    return "".join(c if c.isprintable() else "?" for c in line)
