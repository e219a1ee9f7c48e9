"""The released vestauth clients, unmodified, against the real services."""

import json

from clients import Client
from live_stack import Answer, LiveStack, ask

TOOL = "https://tool.example/things?page=2"


def _whoami(agent: Client, stack: LiveStack) -> Answer:
    """Ask with headers that the client made, so that the status is seen as well as the body."""
    url = f"{stack.base}/whoami"
    return ask(url, headers=agent.headers("GET", url))


def _kid(agent: Client) -> str:
    kid: str = json.loads(agent.kept("AGENT_PUBLIC_JWK"))["kid"]
    return kid


def _tool_verify(agent: Client, **environ: str) -> tuple[int, str, str]:
    headers = agent.headers("GET", TOOL)
    given = [
        *("--signature", headers["Signature"]),
        *("--signature-input", headers["Signature-Input"]),
        *("--signature-agent", headers["Signature-Agent"]),
    ]
    said = agent.run("tool", "verify", "GET", TOOL, *given, **environ)
    return said.code, said.out, said.err


def test_init_registers_once(client: Client, stack: LiveStack) -> None:
    """The first `agent init` makes an agent; the second finds the same one and says so."""
    first = client.run("agent", "init", "--hostname", stack.base)
    uid = client.kept("AGENT_UID")
    assert first.code == 0
    assert "agent created" in first.out + first.err
    second = client.run("agent", "init", "--hostname", stack.base)
    assert second.code == 0
    assert "agent exists" in second.out + second.err
    assert uid in second.out + second.err
    assert client.kept("AGENT_UID") == uid


def test_curl_asks_who_it_is_by_get_and_by_post(agent: Client, stack: LiveStack) -> None:
    """`agent curl` gets the agent's own facts, whichever method the release uses for it."""
    for arguments in ([], ["-X", "POST"]):
        facts = agent.run("agent", "curl", *arguments, f"{stack.base}/whoami").json
        uid, kid = agent.kept("AGENT_UID"), _kid(agent)
        host = stack.base.removeprefix("http://")
        assert facts == {
            "uid": uid,
            "kid": kid,
            "public_jwk": json.loads(agent.kept("AGENT_PUBLIC_JWK")),
            "well_known_url": f"http://{uid}.{host}/.well-known/http-message-signatures-directory",
        }


def test_a_tool_learns_who_signed_once(agent: Client, stack: LiveStack) -> None:
    """Headers of the client verify as they are, in the profile made for them; a copy of them does not."""
    headers = agent.headers("GET", TOOL)
    first, second = (stack.verify("GET", TOOL, headers) for _ in range(2))
    uid = agent.kept("AGENT_UID")
    assert first.status == 200
    assert (first.facts["uid"], first.facts["kid"]) == (uid, _kid(agent))
    assert (first.facts["outcome"], first.facts["profile"]) == ("verified", "vestauth")
    assert (second.status, second.reason) == (401, "REPLAYED_NONCE")


def test_spent_headers_are_spent_everywhere(agent: Client, stack: LiveStack) -> None:
    """Headers that the registrar has seen are a replay at the verifier, too: it is one memory."""
    url = f"{stack.base}/whoami"
    headers = agent.headers("GET", url)
    assert ask(url, headers=headers).status == 200
    assert stack.verify("GET", url, headers).reason == "REPLAYED_NONCE"


def test_rotation_kills_the_old_key_at_once(own_agent: Client, stack: LiveStack) -> None:
    """After `agent rotate` the new key works and the old one is dead, at both services, and one key is published."""
    uid, old_kid, old = own_agent.kept("AGENT_UID"), _kid(own_agent), own_agent.env.read_text()
    before = own_agent.headers("GET", TOOL)  # made before, used after the rotation
    warm = stack.verify("GET", TOOL, own_agent.headers("GET", TOOL))
    assert warm.facts["kid"] == old_kid
    said = own_agent.run("agent", "rotate")
    assert said.code == 0, said
    assert "rotated" in said.out + said.err
    assert own_agent.kept("AGENT_UID") == uid
    assert _kid(own_agent) != old_kid
    assert _whoami(own_agent, stack).facts["kid"] == _kid(own_agent)
    assert stack.verify("GET", TOOL, own_agent.headers("GET", TOOL)).facts["kid"] == _kid(own_agent)
    keys = stack.directory(uid).facts["keys"]
    assert [key["kid"] for key in keys] == [_kid(own_agent)]
    assert stack.verify("GET", TOOL, before).reason == "REVOKED_KEY"
    own_agent.env.write_text(old)
    assert _whoami(own_agent, stack).reason == "REVOKED_KEY"


def test_tool_init_registers_a_tool(client: Client, stack: LiveStack) -> None:
    """The client's own `tool init` gets a tool's uid, in the releases that have it (0.21.1 has not)."""
    said = client.run("tool", "init", "--hostname", stack.base)
    if client.name == "javascript":
        assert "unknown command" in said.err
        return
    assert said.code == 0, said
    assert client.kept("TOOL_UID").startswith("tool-")


def test_the_clients_own_verifier_reads_our_directory(own_agent: Client, stack: LiveStack) -> None:
    """`tool verify` fetches the agent's URL and finds the rotated-in key."""
    trust = {"TOOL_FQDN_REGEX": f".localhost:{stack.ports['PORT']}"}
    assert own_agent.run("agent", "rotate").code == 0
    code, out, err = _tool_verify(own_agent, **trust)
    assert code == 0, err
    assert json.loads(out)["uid"] == own_agent.kept("AGENT_UID")
    assert json.loads(out)["kid"] == _kid(own_agent)


def test_an_env_file_of_older_releases_works(own_agent: Client, stack: LiveStack) -> None:
    """Older releases kept the uid as AGENT_ID: such an agent calls and rotates."""
    own_agent.env.write_text(own_agent.env.read_text().replace("AGENT_UID=", "AGENT_ID="))
    uid = own_agent.kept("AGENT_ID")
    assert own_agent.run("agent", "rotate").code == 0
    assert own_agent.run("agent", "curl", f"{stack.base}/whoami").json["uid"] == uid


def test_the_client_prints_our_refusals(own_agent: Client, stack: LiveStack) -> None:
    """A refused client says what we said, and no TypeError: it can read our error body."""
    old = own_agent.env.read_text()
    assert own_agent.run("agent", "rotate").code == 0
    own_agent.env.write_text(old)
    register = ("agent", "init", "--hostname", stack.base)
    refused = {
        ("agent", "rotate"): "[401] [REVOKED_KEY] the key was taken out of use",
        register: "[409] [KEY_REVOKED] this key was taken out of use for ever",
    }
    for command, words in refused.items():
        said = own_agent.run(*command)
        assert said.code != 0
        assert words in said.err
        assert "TypeError" not in said.out + said.err


def test_the_clients_own_verifier_prints_our_refusals(agent: Client, stack: LiveStack) -> None:
    """So it does when it asks for the directory of an agent that does not exist."""
    agent.env.write_text(agent.env.read_text().replace(agent.kept("AGENT_UID"), "agent-" + "0" * 24))
    code, out, err = _tool_verify(agent, TOOL_FQDN_REGEX=f".localhost:{stack.ports['PORT']}")
    assert code != 0
    assert "[404] [NOT_FOUND] there is no such agent" in err
    assert "TypeError" not in out + err
