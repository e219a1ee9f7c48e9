"""Which tool asks?"""

from vestry_verifier.tool_policy import ToolPolicy


class Tools:
    """The tools that may ask. Without a list of them everybody asks as the one open tool."""

    def __init__(self, default: ToolPolicy) -> None:
        self._default = default

    def of(self, authorization: str | None) -> ToolPolicy:
        """Tell which tool asks, by the value of the `Authorization` header."""
        del authorization
        return self._default
