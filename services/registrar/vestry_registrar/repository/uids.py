"""A uid is written `agent-…` or `tool-…` everywhere but in the tables, which keep the 24 hex digits alone."""

from typing import Final

AGENT: Final = "agent-"
TOOL: Final = "tool-"


def bare(uid: str, prefix: str = AGENT) -> str:
    """Return the digits of a uid; empty, which no row has, where it is none of this kind."""
    return uid.removeprefix(prefix) if uid.startswith(prefix) else ""
