"""What one tool accepts of the requests that it asks about."""

from dataclasses import dataclass

from vestry_signatures import Policy


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """One tool and its rules.

    Attributes:
        name: how the operator calls it.
        signatures: what a signature must satisfy.
    """

    name: str
    signatures: Policy
