"""A logger whose lines a test can read."""

import io
import json
from typing import Any

from vestry_service.logging import Logger, make_logger


class Log:
    """A logger and the lines it wrote."""

    def __init__(self, level: str = "debug") -> None:
        self.stream = io.BytesIO()
        self.logger: Logger = make_logger("registrar", "1.2.3", level, "json", self.stream)

    @property
    def text(self) -> str:
        return self.stream.getvalue().decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]
