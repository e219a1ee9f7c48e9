"""Attacks with names: hosts that are not ours, keys that nobody has, floods of both."""

import asyncio

import pytest

from bare_client import send
from listeners import listening_with, response
from services import BASE, HOST, TOOL, Agent, Services
from vestry_signatures import generate

NOBODY = "agent-" + "0" * 24


def thumbprint_like(number: int) -> str:
    return f"{number:043d}"


@pytest.mark.parametrize(
    "keyid",
    ["/../../../../metrics?" + "x" * 22, "../../../../livez#" + "x" * 25, "%00" + "x" * 40, "x" * 42 + "}"],
)
async def test_keyid_that_climbs_out_of_the_registrars_path(services: Services, keyid: str) -> None:
    """A keyid that is no thumbprint is asked of nobody: it cannot choose what is asked on the internal port."""
    assert len(keyid) == 43
    async with listening_with(response("200 OK", b'{"record":null}')) as internal:
        with services.another_verifier(REGISTRAR_URL=internal.url) as verifier:
            answer = await services.verify(Agent(generate(), NOBODY).sign(keyid=keyid), verifier=verifier)
    assert answer.verdict == (401, "UNKNOWN_KEY")
    assert internal.heads == []


@pytest.mark.parametrize("path", ["%00", "x" * 42 + "%00", "..%2f..%2fmetrics", "%F0%9F%94%91" * 43])
async def test_internal_question_for_what_is_no_kid(services: Services, path: str) -> None:
    """Whatever stands where a kid should, the registrar knows of no such pair, and its database is not troubled."""
    for uid in (NOBODY, "agent-%00", "tool-" + "0" * 24):
        target = f"/internal/agents/{uid}/keys/{path}"
        answer = await send(services.registrar.internal_port, "GET", target, host="internal")
        assert answer.status in {200, 404}
        assert answer.status == 404 or answer.json == {"record": None}
