"""Attacks on what takes a kid: texts that are none, sent by an agent whose signature holds."""

import json

import pytest

from services import BASE, Services

NO_KIDS = ["\0", "a\0b", "", "*", "%", "é", "k" * 42, "k" * 44, "k" * 5000, "../" * 14 + "k", "k" * 42 + "\n"]


@pytest.mark.parametrize("kid", NO_KIDS, ids=ascii)
async def test_revoking_what_is_no_kid(services: Services, kid: str) -> None:
    """It is nobody's key, whatever the database would make of such a text."""
    agent = await services.agent()
    body = json.dumps({"kid": kid}).encode()
    answer = await services.call("POST", "/revoke", agent.sign("POST", f"{BASE}/revoke"), body)
    assert answer.verdict == (404, "NOT_FOUND")
    assert (await services.whoami(agent)).status == 200


@pytest.mark.parametrize("segment", ["%00", "a%00b", "*", "%25", "%C3%A9", "k" * 42, "..%2F" * 9, "%0A"])
async def test_retiring_what_is_no_kid(services: Services, segment: str) -> None:
    """The same in a path."""
    agent = await services.agent()
    path = f"/keys/{segment}"
    answer = await services.call("DELETE", path, agent.sign("DELETE", BASE + path))
    assert answer.verdict == (404, "NOT_FOUND")
    assert (await services.whoami(agent)).status == 200
