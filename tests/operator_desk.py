"""An operator for tests: calls the admin API of a registrar."""

import asyncio
import itertools
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import bare_client
from bare_client import Answer
from services import Service, Services
from vestry_registrar import operators
from vestry_registrar.audit.event import Actor, Origin
from vestry_service.postgres import open_pool

ADMIN = Origin(Actor("system", "tests"))
_names = itertools.count(1)


async def new_token(database_url: str, name: str) -> str:
    """Make an operator and return the token."""
    async with open_pool(database_url) as pool:
        return await operators.create(pool, name, ADMIN)


async def dismiss(database_url: str, name: str) -> None:
    """Revoke an operator."""
    async with open_pool(database_url) as pool:
        await operators.revoke(pool, name, ADMIN)


class Desk:
    """One operator of some services.

    Attributes:
        name: the operator's.
        token: shown at every call.
    """

    def __init__(self, services: Services, name: str, token: str) -> None:
        self._services = services
        self.name = name
        self.token = token

    @classmethod
    async def open(cls, services: Services) -> "Desk":
        """Make a new operator."""
        name = f"operator-{next(_names)}"
        return cls(services, name, await new_token(services.database_url, name))

    async def call(
        self,
        method: str,
        path: str,
        facts: Any = None,
        headers: Mapping[str, str] | None = None,
        registrar: Service | None = None,
    ) -> Answer:
        """Call the internal port of a registrar, with this operator's token unless the headers say otherwise."""
        port = (registrar or self._services.registrar).internal_port
        shown = {"Authorization": f"Bearer {self.token}"} if headers is None else headers
        body = b"" if facts is None else json.dumps(facts).encode()
        return await bare_client.send(port, method, f"/admin{path}", shown, body, "registrar")

    async def get(self, path: str, **parameters: object) -> Any:
        """Read something that is there."""
        answer = await self.call("GET", f"{path}?{urlencode(parameters)}" if parameters else path)
        assert answer.status == 200, answer.body
        return answer.json

    async def do(self, path: str, registrar: Service | None = None, **facts: object) -> Any:
        """Do something that is allowed."""
        answer = await self.call("POST", path, {"reason": "a test", **facts}, registrar=registrar)
        assert answer.status == 200, answer.body
        return answer.json

    async def enrolment_token(self, **facts: object) -> str:
        """Make an enrolment token, for one use if nothing else is said."""
        answer = await self.call("POST", "/enrolment-tokens", {"label": "a test", **facts})
        assert answer.status == 200, answer.body
        token: str = answer.json["token"]
        return token

    async def uids(self, **parameters: object) -> list[str]:
        """The agents on the first page of a search."""
        return [agent["uid"] for agent in (await self.get("/agents", **parameters))["agents"]]


async def at_once(*work: Any) -> list[Any]:
    """Do several things at the same moment."""
    return list(await asyncio.gather(*work))
