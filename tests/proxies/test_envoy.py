"""Envoy, by requests in the form that its documentation gives: it cannot be had where these tests run.

Its filter sends method and host of the client, its path behind `path_prefix`, `content-length: 0`, every header that
is allowed, and its own `x-forwarded-*` and `x-envoy-*` among them. Lines of one name become one, joined with a comma.
200 lets a request pass; any other status is handed to the client, but for 5xx, which is a fault of the service.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import yaml

from bare_client import Answer, send_bytes
from gateways import CONFIGURATIONS
from proxied import sign
from services import Agent, Service, Services
from vestry_signatures import generate

HEAD = """\
{method} {prefix}{path} HTTP/1.1\r
content-length: 0\r
host: tool.example\r
{headers}\
accept: */*\r
x-forwarded-proto: https\r
x-request-id: 7ab2e1ad-38c7-9e4e-a4c1-6c7f5a2d9d0e\r
x-envoy-internal: true\r
x-envoy-expected-rq-timeout-ms: 3000\r
x-forwarded-for: 10.0.0.7\r
\r
"""
Members = Mapping[str, Any]


def filters() -> dict[str, Members]:
    """The filters of the configuration, by name, in their order."""
    [listener] = yaml.safe_load((CONFIGURATIONS / "envoy.yaml").read_text())["static_resources"]["listeners"]
    [chain] = listener["filter_chains"]
    [manager] = chain["filters"]
    told = {
        each["name"].rpartition(".")[2]: each["typed_config"]
        for each in manager["typed_config"]["http_filters"]
    }
    return {"manager": manager["typed_config"], **told}


async def ask(
    verifier: Service, lines: Sequence[tuple[str, str]], method: str = "GET", path: str = "/inbox"
) -> Answer:
    """Ask as Envoy does."""
    joined: dict[str, str] = {}
    for name, value in lines:
        joined[name.lower()] = f"{joined[name.lower()]},{value}" if name.lower() in joined else value
    headers = "".join(f"{name}: {value}\r\n" for name, value in sorted(joined.items()))
    prefix = filters()["ext_authz"]["http_service"]["path_prefix"]
    head = HEAD.format(method=method, prefix=prefix, path=path, headers=headers)
    return await send_bytes(
        verifier.port, head.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").encode("latin-1")
    )


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize("path", ["/inbox", "//a//b", "/a%2Fb", "/a/../b", "/%C3%A9?%c3%a9", "/inbox?"])
async def test_signed(services: Services, verifier: Service, method: str, path: str) -> None:
    """Any method passes, without a body, and the facts are in headers that the configuration hands on."""
    agent = await services.agent()
    answer = await ask(verifier, [*sign(agent, method, path).items()], method, path)
    assert answer.status == 200
    [pattern] = filters()["ext_authz"]["http_service"]["authorization_response"]["allowed_upstream_headers"][
        "patterns"
    ]
    told = {
        name: value for name, value in answer.headers.items() if name.lower().startswith(pattern["prefix"])
    }
    assert told["X-Agent-Uid"] == agent.uid
    assert len(told) == 5


@pytest.mark.parametrize("case", ["unsigned", "forged", "replayed", "stranger", "other path", "raw bytes"])
async def test_refused(services: Services, verifier: Service, case: str) -> None:
    """Every refusal is one for the client, with how to sign, and never a fault."""
    agent = await services.agent()
    headers, path = sign(agent), "/inbox"
    if case == "unsigned":
        headers = {}
    elif case == "forged":
        headers = Agent(generate(), agent.uid).sign(keyid=agent.key.public.kid)
    elif case == "replayed":
        assert (await ask(verifier, [*headers.items()])).status == 200
    elif case == "stranger":
        headers = sign(Agent(generate(), agent.uid))
    elif case == "other path":
        path = "/outbox"
    elif case == "raw bytes":
        path = "/é"
    answer = await ask(verifier, [*headers.items()], path=path)
    assert answer.status == (400 if case == "raw bytes" else 401)
    assert answer.status == 400 or answer.headers["WWW-Authenticate"] == "Signature"


async def test_signatures_on_two_lines(services: Services, verifier: Service) -> None:
    """Joined by a comma alone they are read all the same; any other header on two lines is not what was signed."""
    agent = await services.agent()
    foreign = [("Signature-Input", 'x=();tag="other"'), ("Signature", "x=:AAAA:")]
    assert (await ask(verifier, [*foreign, *sign(agent).items()])).status == 200
    headers = agent.sign(headers={"X-List": ["1", "2"]}, covered=('"@authority"', '"x-list"'))
    lines = [
        ("X-List", "1"),
        ("X-List", "2"),
        *((name, value) for name, value in headers.items() if name != "X-List"),
    ]
    answer = await ask(verifier, lines)
    assert (answer.status, answer.error["reason"]) == (401, "INVALID_SIGNATURE")


def test_the_configuration_fails_closed_and_keeps_paths() -> None:
    """What a fault of the verifier or a rewritten path would open is shut, and a client's headers go first."""
    told = filters()
    assert list(told) == ["manager", "header_mutation", "ext_authz", "router"]
    assert told["ext_authz"]["failure_mode_allow"] is False
    manager = told["manager"]
    assert (manager["normalize_path"], manager["merge_slashes"]) == (False, False)
    assert manager["path_with_escaped_slashes_action"] == "KEEP_UNCHANGED"
    assert manager["common_http_protocol_options"]["headers_with_underscores_action"] == "DROP_HEADER"
    removed = {each["remove"] for each in told["header_mutation"]["mutations"]["request_mutations"]}
    facts = ("uid", "kid", "url", "outcome", "reason", "content-digest")
    assert removed == {"x-vestry-tool-token", *(f"x-agent-{fact}" for fact in facts)}
