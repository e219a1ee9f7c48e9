"""A request as it was received: what `/verify/explain` is asked about."""

import base64
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Received:
    """A request, and what is uncertain about it.

    Attributes:
        method: the method.
        url: the absolute URL.
        headers: field lines in their order.
        body: the body, None where it is not known.
        warnings: what had to be guessed or left out.
    """

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes | None = None
    warnings: list[str] = field(default_factory=list)

    def question(self) -> dict[str, Any]:
        """Return the question that it makes."""
        lines: dict[str, list[str]] = {}
        for name, value in self.headers:
            lines.setdefault(name.lower(), []).append(value)
        asked: dict[str, Any] = {"method": self.method, "url": self.url, "headers": lines}
        if self.body is not None:
            asked["body"] = base64.b64encode(self.body).decode()
        return asked
