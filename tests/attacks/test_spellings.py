"""Attacks by another spelling: an agent's URL can be written in many ways, and all of them mean the same agent.

Were a second spelling looked up, kept or answered as somebody else, a revoked key would live on under it.
"""

from collections.abc import Iterator

import pytest

from services import HOST, Agent, Service, Services
from vestry_signatures import generate

OURS = [
    'sig1="https://{uid}.agents.example"',
    'sig1="https://{uid}.agents.example/"',
    'sig1="http://{uid}.agents.example"',
    'sig1="HTTPS://{UID}.AGENTS.EXAMPLE"',
    'sig1="https://{Uid}.Agents.Example/Some/Path?query=1"',
    'sig1="https://{uid}.agents.example:443"',
    'sig1="https://{uid}.agents.example:0443/x"',
    'sig1="https://{uid}.agents.example:/x"',
    'sig1="http://{uid}.agents.example:80"',
    'sig1="https://{uid}.agents.example/jwks.json";type=jwks_uri',
    'sig1="https://{uid}.agents.example";type=jwks_uri;x=1',
    "sig1={uid}.agents.example",
    "sig1=agents.example/agents/{uid}",
    "sig1={uid}.agents.example:443/x",
    "sig1={uid}.agents.example;type=jwks_uri",
    'sig1="https://agents.example/agents/{uid}"',
    'sig1="https://agents.example/agents/{uid}/"',
    'sig1="http://agents.example:80/agents/{uid}/.well-known/http-message-signatures-directory"',
    'sig1="https://AGENTS.example/agents/{uid}/anything?at=all"',
    '  sig1="https://{uid}.agents.example"  ',
    'other="https://nobody.example", sig1="https://{uid}.agents.example"',
]
"""Accepted for an active agent, and answered in the one spelling."""

REFUSED = [
    'sig1="https://user@{uid}.agents.example"',
    'sig1="https://:@{uid}.agents.example"',
    'sig1="https://{uid}.agents.example."',
    'sig1="https://{uid}.agents.example.:443"',
    'sig1="https://agents.example./agents/{uid}"',
    'sig1="https://{uid}.agents.example#x"',
    'sig1="https://{uid}.agents.example "',
    'sig1="https://{uid}.agents.example\\\\@evil.example"',
    'sig1="https://{uid}.agents.example:0"',
    'sig1="https://{uid}.agents.example:65979"',
    'sig1="https://{uid}%2eagents.example"',
    'sig1="agents.example/agents/{uid}"',
    'sig1=%"https://{uid}.agents.example"',
    'sig1=("https://{uid}.agents.example")',
    "sig1=:aHR0cHM6Ly94:",
    "sig1",
    "sig1=1",
]
"""Refused as no URL of an agent, active or not."""

MORE = [
    'sig1="https://agents.example/agents/{UID}"',
    'sig1="https://agents.example/agents//{uid}"',
    'sig1="https://agents.example/agents/{uid}x"',
    'sig1="https://agents.example/agents/%61{uid}"',
    'sig1="https://agents.example:444/agents/{uid}"',
    'sig1="https://{uid}.agents.example:80"',
    'sig1="http://{uid}.agents.example:443"',
]
"""Nobody of ours: untrusted, active or not."""


def spelled(spelling: str, agent: Agent) -> str:
    return spelling.format(uid=agent.uid, UID=agent.uid.upper(), Uid=agent.uid.title())


@pytest.fixture(scope="module")
def cold(services: Services) -> Iterator[Service]:
    """A verifier that has seen none of these agents before their keys were revoked."""
    with services.another_verifier() as verifier:
        yield verifier


@pytest.mark.parametrize("spelling", OURS)
async def test_another_spelling_of_a_revoked_agents_url(
    services: Services, cold: Service, spelling: str
) -> None:
    """Under every spelling the old key is revoked, warm or cold, and the answer names the one spelling."""
    agent, new = await services.agent(), generate()
    named = spelled(spelling, agent)
    before = await services.verify(agent.sign(named=named))
    assert (before.status, before.json["uid"], before.json["agent_url"]) == (200, agent.uid, agent.url)
    assert (await services.whoami(agent, named=named)).json["uid"] == agent.uid

    assert (await services.rotate(agent, new, named=named)).status == 200
    for verifier in (services.verifier, cold):
        answer = await services.verify(agent.sign(named=named), verifier=verifier)
        assert answer.verdict == (401, "REVOKED_KEY")
    assert (await services.whoami(agent, named=named)).verdict == (401, "REVOKED_KEY")
    assert (await services.rotate(agent, generate(), named=named)).verdict == (401, "REVOKED_KEY")
    assert await services.directory(agent) == [new.public.kid]


@pytest.mark.parametrize(
    ("spelling", "reason"),
    [(each, "INVALID_SIGNATURE_AGENT") for each in REFUSED]
    + [(each, "UNTRUSTED_SIGNATURE_AGENT") for each in MORE],
)
async def test_spelling_that_is_none(services: Services, spelling: str, reason: str) -> None:
    """What is not one of the known spellings names nobody, also while the agent's key is active."""
    agent = await services.agent()
    named = spelled(spelling, agent)
    assert (await services.verify(agent.sign(named=named))).verdict == (401, reason)
    assert (await services.whoami(agent, named=named)).verdict == (401, reason)


async def test_bare_string_of_a_revoked_agent(services: Services) -> None:
    """The bare string of older drafts counts where it is covered, and then as every other spelling does."""
    agent, new = await services.agent(), generate()
    signing = {"named": f'"{agent.url}"', "covered": ('"@authority"', '"signature-agent"')}
    answer = await services.verify(agent.sign(**signing))
    assert (answer.json["uid"], answer.json["profile"]) == (agent.uid, "web-bot-auth")
    assert (await services.rotate(agent, new)).status == 200
    for verifier in services.verifiers:
        answer = await services.verify(agent.sign(**signing), verifier=verifier)
        assert answer.verdict == (401, "REVOKED_KEY")


async def test_spellings_under_a_base_url_with_a_port(services: Services) -> None:
    """On http://localhost:3000 the same rules hold: the port belongs to the name."""
    agent = await services.agent()
    with services.another_verifier(PUBLIC_URL="http://localhost:3000") as verifier:
        for named, status in (
            (f'sig1="http://{agent.uid}.localhost:3000"', 200),
            (f'sig1="https://{agent.uid}.LOCALHOST:3000/x"', 200),
            (f"sig1={agent.uid}.localhost:3000", 200),
            (f'sig1="http://localhost:3000/agents/{agent.uid}"', 200),
            (f'sig1="http://{agent.uid}.localhost"', 401),
            (f'sig1="http://{agent.uid}.localhost:3001"', 401),
            (f'sig1="http://{agent.uid}.{HOST}"', 401),
        ):
            answer = await services.verify(agent.sign(named=named), verifier=verifier)
            assert answer.status == status, named
            if status == 200:
                assert answer.json["agent_url"] == f"http://{agent.uid}.localhost:3000"
