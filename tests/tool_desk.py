"""A verifier with a file of tools, and the ways in which a tool asks it."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bare_client import Answer, send
from services import TOOL, Service, Services
from tools_files import TOKEN, bearer


class ToolDesk:
    """Asks one verifier, as the tool that has a token."""

    def __init__(self, services: Services, verifier: Service, path: Path) -> None:
        self.services = services
        self.verifier = verifier
        self.path = path

    async def ask(
        self,
        headers: Mapping[str, str],
        method: str = "GET",
        url: str = TOOL,
        *,
        token: str | None = TOKEN,
        authorization: str | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Ask `/verify`."""
        question = self.question(headers, method, url, body)
        return await self._post("/verify", question, token, authorization)

    async def ask_all(
        self, questions: list[dict[str, Any]], token: str | None = TOKEN
    ) -> list[dict[str, Any]]:
        """Ask `/verify/batch`."""
        answer = await self._post("/verify/batch", {"requests": questions}, token)
        assert answer.status == 200, answer.body
        results: list[dict[str, Any]] = answer.json["results"]
        return results

    async def ask_in_front(
        self, headers: Mapping[str, str], method: str = "GET", url: str = TOOL, token: str | None = TOKEN
    ) -> Answer:
        """Ask as nginx does."""
        said = {"X-Original-Method": method, "X-Original-URL": url, **headers}
        if token is not None:
            said["X-Vestry-Tool-Token"] = token
        return await send(self.verifier.port, "GET", "/verify/auth-request", said, host="v")

    @staticmethod
    def question(
        headers: Mapping[str, str], method: str = "GET", url: str = TOOL, body: bytes | None = None
    ) -> dict[str, Any]:
        known = {} if body is None else {"body": base64.b64encode(body).decode()}
        return {"method": method, "url": url, "headers": dict(headers), **known}

    async def _post(
        self, path: str, question: object, token: str | None, authorization: str | None = None
    ) -> Answer:
        said = {"Content-Type": "application/json", **({} if token is None else bearer(token))}
        if authorization is not None:
            said["Authorization"] = authorization
        return await send(self.verifier.port, "POST", path, said, json.dumps(question).encode(), "v")


@contextmanager
def tool_desk(services: Services, folder: Path, text: str, **environ: str) -> Iterator[ToolDesk]:
    """Run one more verifier, with this file of tools."""
    path = folder / "tools.toml"
    path.write_text(text)
    settings = {"TOOLS_FILE": str(path), "TRUSTED_PROXIES": "127.0.0.1", **environ}
    with services.another_verifier(**settings) as verifier:
        yield ToolDesk(services, verifier, path)
