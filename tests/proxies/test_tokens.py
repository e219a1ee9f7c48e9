"""A proxy asks for its tool by the token in its configuration, and by no token of a client."""

from pathlib import Path

import pytest

from gateways import GATEWAYS
from proxied import in_front, sign
from services import Services
from tool_desk import tool_desk
from tools_files import OTHER_TOKEN, TOKEN, bearer, tool

CLIENTS = {"X-Vestry-Tool-Token": OTHER_TOKEN}


@pytest.mark.parametrize("name", GATEWAYS)
async def test_a_tool_with_a_token(services: Services, tmp_path: Path, name: str) -> None:
    """Its rules count, whatever tokens a client sends along; the tool sees the client's Authorization alone."""
    strict = tool('require = ["@method"]') + tool(name="other", token=OTHER_TOKEN)
    agent = await services.agent()
    with (
        tool_desk(services, tmp_path, strict) as desk,
        in_front(name, tmp_path, desk.verifier, TOKEN) as proxied,
    ):
        reached = await proxied.passes({**sign(agent), **CLIENTS, **bearer(OTHER_TOKEN)})
        assert reached.agent["x-agent-uid"] == [agent.uid]
        assert reached.all("x-vestry-tool-token") == []
        assert reached.all("authorization") == [bearer(OTHER_TOKEN)["Authorization"]]
        lax = sign(agent, covered=('"@authority"',))
        answer = await proxied.refuses({**lax, **CLIENTS, **bearer(OTHER_TOKEN)})
        assert (answer.status, answer.error["reason"]) == (401, "INSUFFICIENT_COVERAGE")
        assert '"@method"' in answer.headers["Accept-Signature"]


@pytest.mark.parametrize("name", GATEWAYS)
async def test_a_proxy_without_a_token(services: Services, tmp_path: Path, name: str) -> None:
    """Where a token is needed and the configuration has none, a client cannot bring one, and is told 403."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool()) as desk, in_front(name, tmp_path, desk.verifier) as proxied:
        answer = await proxied.refuses({**sign(agent), "X-Vestry-Tool-Token": TOKEN, **bearer(TOKEN)})
        assert (answer.status, answer.error["reason"]) == (403, "TOKEN_REQUIRED")
