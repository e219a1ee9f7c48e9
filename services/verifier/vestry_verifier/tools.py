"""Which tool asks?

1. Without a file of tools everybody asks as the one open tool, whatever token is shown: there is none to compare
   it with.
2. With one, who shows no token is the tool `default`, where the file has it.
3. Who shows a token is the tool whose token it is. Any other is refused, and never taken for (2): it is a mistake, or
   a guess. The token is hashed before it is looked up (`tool_tokens`), and neither kept nor logged.
"""

from collections.abc import Callable

from vestry_service.errors import TokenRequired, ToolUnauthorized
from vestry_verifier.tool_policy import ToolPolicy
from vestry_verifier.tool_tokens import shown_in
from vestry_verifier.tools_file.book import ToolBook


class Tools:
    """The tools that may ask."""

    def __init__(self, book: Callable[[], ToolBook] | None, open_tool: ToolPolicy) -> None:
        """Take what returns the book that counts now, None where there is no file, and who asks then."""
        self._book = book
        self._open = open_tool

    def of(self, authorization: str | None, said_in: str = "Authorization: Bearer") -> ToolPolicy:
        """Tell which tool asks.

        Args:
            authorization: the value of the `Authorization` header, None where there is none.
            said_in: where the token belongs, for whoever has to put it there.

        Raises:
            TokenRequired: there must be a token, and is none.
            ToolUnauthorized: it is no tool's.
        """
        if self._book is None:  # (1)
            return self._open
        book = self._book()
        if authorization is None:  # (2)
            if book.default is None:
                raise TokenRequired(f"this needs the token of a tool: {said_in}")
            return book.default
        shown = shown_in(authorization)  # (3)
        tool = None if shown is None else book.by_hash.get(shown)
        if tool is None:
            raise ToolUnauthorized(f"the token in {said_in} is no tool's here")
        return tool
