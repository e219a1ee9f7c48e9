"""A registrar whose registrations write no audit event, to be measured against: `python -m bench.untold`."""

import re
from typing import Final

from vestry_registrar.repository import enrolment_batches, enrolments

_TOLD: Final = re.compile(r"told AS \(.*?FROM (?:key|new)\n    \)", re.DOTALL)
# Not referred to, so never run; it keeps the statement's parameters and their types.
_UNTOLD: Final = "told AS (SELECT $4::text, $5::text, $6::text, $7::text, $8::text)"


def untold(statement: str, instead: str = _UNTOLD) -> str:
    """Return the statement that registers, without its event."""
    text, found = _TOLD.subn(instead, statement)
    if found != 1 or "audit" in text:
        raise SystemExit("bench: the statement that registers no longer has its event where it was")
    return text


def main() -> None:
    from vestry_registrar.__main__ import main as registrar

    enrolments.ENROL_AGENT = untold(enrolments.ENROL_AGENT)  # type: ignore[misc]
    enrolment_batches.ENROL_AGENTS = untold(  # type: ignore[misc]
        enrolment_batches.ENROL_AGENTS, "told AS (SELECT)"
    )
    registrar()


if __name__ == "__main__":
    main()
