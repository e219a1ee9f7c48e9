"""`/verify/explain`: what it says of requests that pass and of those that do not, and what it advises."""

import base64
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

import signer
from explaining import compare
from services import TOOL, Agent, Services, asked
from signer import In, Raw, both, content_digest
from vestry_service.openapi_signatures import AGENTS_SIGNATURE
from vestry_signatures import Claim, Policy, Request, claims, generate, public_key
from vestry_verifier.explain import texts, variants
from vestry_verifier.explain.checks import NAMES
from vestry_verifier.explain.sentences import BY_REASON

Told = dict[str, Any]


async def told_of(services: Services, question: Any, **headers: str) -> Told:
    """An explanation that agrees with what `/verify` answers after it."""
    told = await services.explain(question, **headers)
    compare(told, await services.ask(question))
    found: Told = told.json
    return found


def saw(told: Told, name: str, label: str | None = "sig1") -> str:
    [check] = [each for each in told["checks"] if (each["check"], each["signature"]) == (name, label)]
    text: str = check["saw"]
    return text


async def test_what_would_verify(services: Services) -> None:
    """Every check passed and says what it saw; the signer is whom /verify then names; the base is what was signed."""
    agent = await services.agent()
    signed = agent.sign_strictly("POST", f"{TOOL}?page=2")
    told = await told_of(services, asked(signed, "POST", f"{TOOL}?page=2"))
    assert (told["outcome"], told["status"], told["failed"], told["hint"]) == ("verified", 200, None, None)
    assert [check["check"] for check in told["checks"]] == [name for name in NAMES if name != "other"]
    assert saw(told, "question", None).startswith(
        "POST https://tool.example/inbox?page=2: authority tool.example"
    )
    assert agent.uid in saw(told, "trust")
    assert saw(told, "profile").startswith("web-bot-auth")
    [signature] = told["signatures"]
    assert signature["covered"] == [
        {"component": "@authority", "value": "tool.example"},
        {"component": 'signature-agent;key="sig1"', "value": f'"{agent.url}"'},
    ]
    value = base64.b64decode(signed["Signature"].removeprefix("sig1=:").removesuffix(":"))
    assert agent.key.public.check(value, signature["signature_base"].encode())


async def test_nothing_is_spent(services: Services) -> None:
    """Explained as often as anybody likes, a request still verifies once; after that it is told that it was used."""
    agent = await services.agent()
    question = asked(agent.sign())
    before = services.spent()
    for _ in range(3):
        assert (await services.explain(question)).json["outcome"] == "verified"
    assert services.spent() == before
    assert (await services.ask(question)).status == 200
    told = (await services.explain(question)).json
    assert (told["failed"], told["reason"]) == ("replay", "REPLAYED_NONCE")
    assert (await services.ask(question)).verdict == (401, "REPLAYED_NONCE")


async def test_nothing_is_counted_as_a_verification(services: Services) -> None:
    """An explanation is a request in the log, with its verdict, and no verification in the metrics."""
    agent, verifier = await services.agent(), services.verifier
    labels = {"outcome": "verified", "reason": "", "profile": "vestauth"}
    before = verifier.count("vestry_verifications_total", **labels)
    answer = await services.explain(asked(agent.sign()))
    assert verifier.count("vestry_verifications_total", **labels) == before
    line = await verifier.line_of(answer)
    assert (line["route"], line["outcome"], line["uid"]) == ("/verify/explain", "verified", agent.uid)
    refused = await verifier.line_of(await services.explain(asked({})))
    assert (refused["outcome"], refused["reason"]) == ("unsigned", "MISSING_SIGNATURE_INPUT")


async def test_checks_after_the_first_failure_are_skipped(services: Services) -> None:
    """What was not looked at is not said to be in order."""
    agent = await services.agent()
    told = await told_of(services, asked(agent.sign(created=In(-1000))))
    results = {check["check"]: check["result"] for check in told["checks"]}
    assert (results["parameters"], results["time"], results["lifetime"]) == ("passed", "failed", "skipped")
    assert results["signature"] == "skipped"
    assert told["signatures"][0]["signature_base"]


async def test_two_signatures(services: Services) -> None:
    """Each has checks of its own; one that verifies is enough, and the answer is about it."""
    agent = await services.agent()
    names = f'one="{agent.url}", two="{agent.url}"'
    bad = agent.sign(label="one", named=names, base=b"another")
    good = agent.sign(label="two", named=names)
    headers = {**both(bad, good), "Signature-Agent": names}
    told = await told_of(services, asked(headers))
    assert (told["outcome"], told["signer"]["label"]) == ("verified", "two")
    assert saw(told, "signature", "one").startswith("the signature does not match")
    assert [each["label"] for each in told["signatures"]] == ["one", "two"]


async def test_two_signatures_with_one_nonce(services: Services) -> None:
    """The later is a replay of the earlier, and is told so though neither was spent."""
    agent = await services.agent()
    names = f'one="{agent.url}", two="{agent.url}"'
    twins = [agent.sign(label=label, named=names, nonce="the-same") for label in ("one", "two")]
    told = await told_of(services, asked({**both(*twins), "Signature-Agent": names}))
    assert (told["reason"], told["failed"]) == ("REPLAYED_NONCE", "replay")


@pytest.mark.parametrize(
    ("changes", "asked_about", "hint"),
    [
        (
            {},
            {"url": "https://tool.example:8443/inbox"},
            "for the authority tool.example, and you asked about tool.example:8443",
        ),
        ({"url": "https://www.tool.example/inbox"}, {}, "for the authority www.tool.example, and"),
        (
            {"url": "http://tool.example/inbox", "covered": ("@target-uri",)},
            {},
            "http://tool.example, and you asked about https://",
        ),
        (
            {"url": f"{TOOL}/", "covered": ("@path",)},
            {},
            "for the path /inbox/, and you asked about the path /inbox",
        ),
        ({"url": f"{TOOL}?a=b", "covered": ("@query",)}, {"url": f"{TOOL}?a=b&a=b"}, None),
        ({"covered": ("@target-uri",)}, {"url": "https://tool.example//inbox"}, "the path /inbox, and"),
        ({"method": "POST", "covered": ("@method",)}, {}, "the method POST, and you asked about GET"),
        ({"method": "get", "covered": ("@method",)}, {}, "the method get, and you asked about GET"),
    ],
)
async def test_a_signature_for_another_request(
    services: Services, changes: dict[str, Any], asked_about: dict[str, Any], hint: str | None
) -> None:
    """A signature that does not verify is tried for a few requests that people confuse, and the one is named."""
    agent = await services.agent()
    covered = tuple(f'"{name}"' for name in ("@authority", *changes.pop("covered", ())))
    signed = agent.sign(changes.get("method", "GET"), changes.get("url", TOOL), covered=covered)
    told = await told_of(services, asked(signed, url=asked_about.get("url", TOOL)))
    assert (told["reason"], told["failed"]) == ("INVALID_SIGNATURE", "signature")
    assert (hint or BY_REASON["INVALID_SIGNATURE"]) in told["hint"]


@pytest.mark.parametrize(
    ("lines", "received", "hint"),
    [
        (["a", "b"], "a,b", "x-tags with a blank after each comma"),
        (["a,b"], ["a", "b"], "x-tags with its lines joined by a comma alone"),
        (["a"], ["a", "b"], "x-tags with its first line alone"),
        (["b", "a"], ["a", "b"], "x-tags with its lines in another order"),
    ],
)
async def test_header_lines_that_were_joined_in_another_way(
    services: Services, lines: list[str], received: str | list[str], hint: str
) -> None:
    """A tool that joins, drops or sorts header lines is told so."""
    agent = await services.agent()
    signed = agent.sign(headers={"X-Tags": lines}, covered=('"@authority"', '"x-tags"'))
    told = await told_of(services, asked({**signed, "X-Tags": received}))  # type: ignore[dict-item]
    assert f"The signature verifies for {hint}" in told["hint"]


async def test_a_forwarded_host(services: Services) -> None:
    """The name that a client called may stand in another header than the URL was made of."""
    agent = await services.agent()
    signed = agent.sign(url="https://shop.example/inbox")
    told = await told_of(services, asked({**signed, "X-Forwarded-Host": "shop.example"}))
    assert "for the authority shop.example, and you asked about tool.example" in told["hint"]


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda base: base + b"\n", "ends with a line break"),
        (lambda base: base.replace(b"\n", b"\r\n"), "end with CR LF"),
        (lambda base: base.replace(b'nonce="a-b_"', b'nonce="a+b/"'), "base64url"),
    ],
)
async def test_another_text_was_signed(services: Services, change: Any, hint: str) -> None:
    """The slips of those who build a signature base by hand are found."""
    agent = await services.agent()
    now = signer.now()
    plain = agent.sign(nonce="a-b_", created=now)
    shown = (await services.explain(asked(plain))).json
    base = change(shown["signatures"][0]["signature_base"].encode())
    told = await told_of(services, asked(agent.sign(nonce="a-b_", created=now, base=base)))
    assert told["failed"] == "signature"
    assert hint in told["hint"]


@pytest.mark.parametrize(
    ("body", "received", "hint"),
    [
        (b"", b"{}", "the empty body"),
        (b"{}", b"{}\n", "without the line break at its end"),
        (b'{"a":1}', b'{"a": 1}', "the same JSON without blanks"),
        (b'{"a": 1}', b'{"a":1}', "written anew with blanks"),
        (b"one", b"two", "The body is another one"),
    ],
)
async def test_another_body(services: Services, body: bytes, received: bytes, hint: str) -> None:
    """What happens to bodies on their way is looked for."""
    agent = await services.agent()
    covered = ('"@authority"', '"content-digest"')
    signed = agent.sign("POST", headers={"Content-Digest": content_digest(body)}, covered=covered)
    encoded = base64.b64encode(received).decode()
    told = await told_of(services, {**asked(signed, "POST"), "body": encoded})
    assert (told["reason"], told["failed"]) == ("CONTENT_DIGEST_MISMATCH", "content-digest")
    assert saw(told, "signature") == "verifies with this key"
    assert hint in told["hint"]


@pytest.mark.parametrize(
    ("changes", "failed", "hint"),
    [
        ({"created": In(-1000)}, "time", r"It came 70\d s after it expired, 100\d s after"),
        (
            {"created": In(1000)},
            "time",
            r"clock is (1000|999|998) s ahead: set it\. Everything else is in order",
        ),
        ({"created": 1_790_000_000_000}, "time", "created is in milliseconds"),
        ({"expires": In(4000)}, "lifetime", "at most 3600 s after created."),
        ({"created": None}, "parameters", "lacks created: state"),
        ({"keyid": None, "expires": None}, "parameters", "lacks expires and keyid"),
        ({"created": Raw('"x"')}, "form", "RFC 9421"),
        ({"alg": "hmac-sha256"}, "parameters", "Sign with Ed25519"),
        ({"nonce": None}, "nonce", "Add a nonce"),
        ({"tag": "other"}, "tag", 'tag="web-bot-auth"'),
        ({"keyid": "key-1"}, "keyid", "must be the RFC 7638"),
        ({"keyid": "A" * 43}, "key", "Register the key"),
        ({"covered": ('"@method"',)}, "coverage", "Cover what is named"),
        ({"named": 'sig2="https://x.example"'}, "agent", "with the label of the signature"),
        ({"named": 'sig1="https://x.example"'}, "trust", "https://x.example is none of them"),
        ({"named": "sig1=("}, "signature-agent-header", "Write it as"),
    ],
)
async def test_what_each_failure_is_told(
    services: Services, changes: dict[str, Any], failed: str, hint: str
) -> None:
    """The check is named, and the hint is about what there is to see."""
    agent = await services.agent()
    told = await told_of(services, asked(agent.sign(**changes)))
    assert told["failed"] == failed
    assert re.search(hint, told["hint"])


async def test_a_late_signature_may_have_another_fault(services: Services) -> None:
    """Who is told of the time alone would come back with the next fault."""
    agent = await services.agent()
    told = await told_of(services, asked(agent.sign(created=In(-1000), base=b"another")))
    assert told["hint"].endswith("In time it would have been INVALID_SIGNATURE.")


@pytest.mark.parametrize(
    ("headers", "failed", "hint"),
    [
        ({}, "signature-headers", "not signed"),
        ({"signature_input": "x"}, "signature-headers", "There is a header signature_input"),
        ({"Signature-Input": "sig1=()"}, "signature-headers", "pass both on"),
        ({"Signature-Input": "sig1=(", "Signature": "sig1=:YQ==:"}, "signature-headers", "at the place"),
        ({"Signature-Input": "sig1=()", "Signature": "sig1=:a-b_:"}, "signature-headers", "in base64url"),
        ({"Signature-Input": "sig1=()", "Signature": "sig1=YQ=="}, "signature-headers", "between colons"),
    ],
)
async def test_unreadable_headers(
    services: Services, headers: dict[str, str], failed: str, hint: str
) -> None:
    """Where the reading ended is told by its place."""
    told = await told_of(services, asked(headers))
    assert told["failed"] == failed
    assert hint in told["hint"]
    if headers.get("Signature-Input") == "sig1=(":
        assert "signature-input, read up to character 6" in saw(told, failed, None)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ({"url": TOOL, "headers": {}}, "MISSING_HTTP_METHOD"),
        ({"method": "GET", "headers": {}}, "MISSING_URI"),
        ({"method": "GET", "url": "/inbox", "headers": {}}, "INVALID_URI"),
        ({"method": "GET", "url": TOOL, "headers": {"A": "", "a": ""}}, "MALFORMED_REQUEST"),
    ],
)
async def test_no_question(services: Services, question: Any, reason: str) -> None:
    """What cannot be asked about is explained too."""
    told = await told_of(services, question)
    assert (told["reason"], told["failed"], told["outcome"]) == (reason, "question", None)
    assert told["hint"] == BY_REASON[reason]


async def test_a_key_of_somebody_else(services: Services) -> None:
    """A key that another agent has is known, and told whose it is."""
    agent, other = await services.agent(), await services.agent()
    told = await told_of(services, asked(agent.at(other.uid).sign()))
    assert (told["reason"], told["failed"]) == ("UNKNOWN_KEY", "key")
    assert f"belongs to {agent.uid}" in told["hint"]


async def test_a_key_that_was_rotated_away(services: Services) -> None:
    """It proves the signature still, and stands for nobody."""
    agent = await services.agent()
    await services.rotate(agent, generate())
    told = await told_of(services, asked(agent.sign()))
    assert (told["reason"], told["failed"]) == ("REVOKED_KEY", "standing")
    assert saw(told, "standing").startswith("revoked, of ")


async def test_a_covered_header_that_is_not_passed_on(services: Services) -> None:
    """It is named."""
    agent = await services.agent()
    signed = agent.sign(headers={"X-One": "1"}, covered=('"@authority"', '"x-one"'))
    told = await told_of(services, asked({name: value for name, value in signed.items() if name != "X-One"}))
    assert (told["failed"], told["signatures"][0]["signature_base"]) == ("components", None)
    assert "covers x-one, which is not in the request" in told["hint"]


async def test_a_lost_record_is_no_obstacle(services: Services) -> None:
    """Where the live record has expired the registrar is asked, as it is by /verify."""
    agent = await services.agent()
    with Redis.from_url(services.redis_url) as client:
        client.delete(f"k{{{agent.key.public.kid[:2]}}}{agent.key.public.kid}")
    told = await told_of(services, asked(agent.sign()))
    assert told["outcome"] == "verified"
    assert "found by asking" in saw(told, "key")


def test_every_reason_of_a_refusal_has_a_sentence() -> None:
    """Whatever `/verify` may refuse a request for."""
    assert {error.reason for error in AGENTS_SIGNATURE} <= set(BY_REASON)


def test_hints_are_bounded_in_work() -> None:
    """They cost so many further checks of a signature at most, whatever it covers and however the request looks."""
    key, names = generate(), [f"x-{number}" for number in range(50)]
    headers = {name: ["a,b", "c", "d"] for name in names} | {"host": ["a.example"], "x-forwarded-host": ["b"]}
    covered = [f'"{name}"' for name in ("@authority", "@method", "@target-uri", *names)]
    agent = Agent(key, "agent-0123456789abcdef01234567")
    signed = agent.sign(headers=headers, covered=covered, base=b"another")
    request = Request.of("GET", f"{TOOL}//a/../b", [(n, v) for n, v in signed.items() if isinstance(v, str)])
    request.headers.update(headers)  # type: ignore[attr-defined]
    [claim] = claims(request, Policy(), signer.now())
    assert isinstance(claim, Claim)
    public, texts_checked = public_key(key.public.jwk), set()
    public.check = lambda _, text: bool(texts_checked.add(text))  # type: ignore[func-returns-value]
    assert variants.find(claim, request, public) is None
    assert len(texts_checked) == variants.MOST
    texts.find(claim, "base", public)
    assert variants.MOST < len(texts_checked) <= variants.MOST + texts.MOST


PIECES = st.sampled_from(
    [
        *'"():;=, -_/.@',
        "sig1",
        "sig2",
        "@authority",
        "created",
        "expires",
        "nonce=",
        ";tag",
        "\n",
        "\t",
        "é",
        "0",
        "9" * 16,
    ]
)


@st.composite
def mutations(draw: st.DrawFn) -> tuple[int, int, int, str]:
    """Which header, from where, how many characters, and what stands there instead."""
    return (
        draw(st.integers(0, 2)),
        draw(st.integers(0, 300)),
        draw(st.integers(0, 4)),
        draw(st.sampled_from(["", draw(PIECES)])),
    )


def mutated(headers: dict[str, str], change: tuple[int, int, int, str]) -> dict[str, str]:
    number, start, length, piece = change
    name = sorted(headers)[number]
    value = headers[name]
    start %= len(value) + 1
    return {**headers, name: value[:start] + piece + value[start + length :]}


async def test_mutated_requests_are_explained_as_they_are_answered(services: Services) -> None:
    """Hundreds, each signed well and then spoiled in one place or two: no explanation says another thing."""
    agent = await services.agent()
    reasons = set()
    changes: list[list[tuple[int, int, int, str]]] = []

    @given(st.lists(mutations(), min_size=1, max_size=2))
    @settings(
        max_examples=250,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def collect(change: list[tuple[int, int, int, str]]) -> None:
        changes.append(change)

    collect()
    for number, change in enumerate(changes):
        headers = agent.sign_strictly() if number % 2 else agent.sign()
        for each in change:
            headers = mutated(headers, each)
        reasons.add((await told_of(services, asked(headers)))["reason"])
    assert {"MALFORMED_SIGNATURE", "INVALID_SIGNATURE", "INVALID_SIGNATURE_AGENT"} <= reasons
    assert len(reasons) > 6
