"""Every missing, wrong or malformed part of a signature, at every endpoint, by reason.

The signatures are made with the agent's own key over the very parameters that are shown, so that nothing but
the named fault can be why one is refused.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import signer
from bare_client import Answer
from services import BASE, TOOL, Services, jwk_body
from signer import In, Raw, both
from vestry_signatures import generate

MALFORMED = "MALFORMED_SIGNATURE"
INVALID = "INVALID_SIGNATURE"
ANYTHING = b"a base that no verifier gets to"
FORTY_THREE = "A" * 43

Attempt = Callable[[Services, dict[str, Any]], Awaitable[Answer]]


async def as_verify(services: Services, changes: dict[str, Any]) -> Answer:
    return await services.verify((await services.agent()).sign(**changes))


async def as_whoami(services: Services, changes: dict[str, Any]) -> Answer:
    return await services.whoami(await services.agent(), **changes)


async def as_rotate(services: Services, changes: dict[str, Any]) -> Answer:
    agent, new = await services.agent(), generate()
    answer = await services.rotate(agent, new, **changes)
    expected = new if answer.status == 200 else agent.key
    assert await services.directory(agent) == [expected.public.kid]
    return answer


async def as_register(services: Services, changes: dict[str, Any]) -> Answer:
    return await _enrol(services, "/register", changes)


async def as_tool_register(services: Services, changes: dict[str, Any]) -> Answer:
    return await _enrol(services, "/tool/register", changes)


async def _enrol(services: Services, path: str, changes: dict[str, Any]) -> Answer:
    key = generate()
    answer = await services.register(key, path, **changes)
    known = services.sql("SELECT 1 FROM public_jwks WHERE kid = %s", key.public.kid)
    assert bool(known) == (answer.status == 200)
    return answer


SIGNED: list[Attempt] = [as_verify, as_whoami, as_rotate]
ENROLLED: list[Attempt] = [as_register, as_tool_register]
EVERYWHERE = [*SIGNED, *ENROLLED]

# What is changed -> the reason, everywhere.
PARAMETERS: list[tuple[str, dict[str, Any], str]] = [
    ("created missing", {"created": None}, MALFORMED),
    ("created a string", {"created": Raw('"1700000000"')}, MALFORMED),
    ("created a decimal", {"created": Raw("1700000000.5")}, MALFORMED),
    ("created a date", {"created": Raw("@1700000000")}, MALFORMED),
    ("created true", {"created": Raw("?1")}, MALFORMED),
    ("created bare", {"created": Raw("?0")}, MALFORMED),
    ("created of sixteen digits", {"created": Raw("1700000000000000")}, MALFORMED),
    ("created in the future", {"created": In(3000)}, "NOT_YET_VALID"),
    ("created in a negative year", {"created": -5}, "EXPIRED_SIGNATURE"),
    ("expires missing", {"expires": None}, MALFORMED),
    ("expires a string", {"expires": Raw('"9999999999"')}, MALFORMED),
    ("expires a decimal", {"expires": Raw("9999999999.9")}, MALFORMED),
    ("expires long ago", {"created": In(-900), "expires": In(-600)}, "EXPIRED_SIGNATURE"),
    ("expires just beyond the skew", {"created": In(-300), "expires": In(-61)}, "EXPIRED_SIGNATURE"),
    ("expires zero", {"expires": 0}, "EXPIRED_SIGNATURE"),
    ("expires when created", {"created": In(0), "expires": In(0)}, MALFORMED),
    ("expires before created", {"created": In(30), "expires": In(20)}, MALFORMED),
    ("living too long", {"created": In(0), "expires": In(3601)}, "LIFETIME_TOO_LONG"),
    ("living for ever", {"created": In(0), "expires": 999_999_999_999_999}, "LIFETIME_TOO_LONG"),
    ("keyid missing", {"keyid": None}, MALFORMED),
    ("keyid empty", {"keyid": ""}, MALFORMED),
    ("keyid too long", {"keyid": "k" * 257}, MALFORMED),
    ("keyid a number", {"keyid": Raw("7")}, MALFORMED),
    ("keyid a token", {"keyid": Raw("abc")}, MALFORMED),
    ("keyid bytes", {"keyid": Raw(":AAAA:")}, MALFORMED),
    ("nonce missing", {"nonce": None}, "MISSING_NONCE"),
    ("nonce empty", {"nonce": ""}, "MISSING_NONCE"),
    ("nonce too long", {"nonce": "n" * 513}, MALFORMED),
    ("nonce a number", {"nonce": Raw("12345678")}, MALFORMED),
    ("nonce bytes", {"nonce": Raw(":AAAA:")}, MALFORMED),
    ("tag missing", {"tag": None}, "WRONG_TAG"),
    ("tag of another use", {"tag": "payments"}, "WRONG_TAG"),
    ("tag in capitals", {"tag": "Web-Bot-Auth"}, "WRONG_TAG"),
    ("tag a token", {"tag": Raw("web-bot-auth")}, "WRONG_TAG"),
    ("alg none", {"alg": "none"}, "UNSUPPORTED_ALG"),
    ("alg empty", {"alg": ""}, "UNSUPPORTED_ALG"),
    ("alg hmac", {"alg": "hmac-sha256"}, "UNSUPPORTED_ALG"),
    ("alg of another key", {"alg": "ecdsa-p256-sha256"}, "UNSUPPORTED_ALG"),
    ("alg rsa", {"alg": "rsa-v1_5-sha256"}, "UNSUPPORTED_ALG"),
    ("alg in capitals", {"alg": "Ed25519"}, "UNSUPPORTED_ALG"),
    ("alg a token", {"alg": Raw("ed25519")}, MALFORMED),
    ("alg a number", {"alg": Raw("1")}, MALFORMED),
    ("a parameter twice", {"tag": Raw('"web-bot-auth";tag="web-bot-auth"')}, MALFORMED),
    ("a keyid twice", {"nonce": Raw(f'"n";keyid="{FORTY_THREE}"')}, MALFORMED),
    ("a parameter without a value", {"created": Raw("")}, MALFORMED),
    ("a parameter in capitals", {"Nonce": Raw('"x"')}, MALFORMED),
    ("covering nothing", {"covered": ()}, "INSUFFICIENT_COVERAGE"),
    ("covering the method alone", {"covered": ('"@method"',)}, "INSUFFICIENT_COVERAGE"),
    ("covering the host header alone", {"covered": ('"host"',), "base": ANYTHING}, "INSUFFICIENT_COVERAGE"),
    ("a component twice", {"covered": ('"@authority"', '"@authority"'), "base": ANYTHING}, MALFORMED),
    ("a header that is absent", {"covered": ('"@authority"', '"x-absent"'), "base": ANYTHING}, MALFORMED),
    ("a derived component unknown", {"covered": ('"@authority"', '"@body"'), "base": ANYTHING}, MALFORMED),
    ("a status", {"covered": ('"@authority"', '"@status"'), "base": ANYTHING}, MALFORMED),
    ("a response's part", {"covered": ('"@authority"', '"@method";req'), "base": ANYTHING}, MALFORMED),
    ("a trailer", {"covered": ('"@authority"', '"x-a";tr'), "base": ANYTHING}, MALFORMED),
    ("a component in capitals", {"covered": ('"@Authority"',), "base": ANYTHING}, MALFORMED),
    ("its own parameters", {"covered": ('"@signature-params"', '"@authority"'), "base": ANYTHING}, MALFORMED),
    ("a component that is a token", {"covered": ("authority",), "base": ANYTHING}, MALFORMED),
    ("an authority with a parameter", {"covered": ('"@authority";x',), "base": ANYTHING}, MALFORMED),
    ("a query parameter unnamed", {"covered": ('"@authority"', '"@query-param"'), "base": ANYTHING}, MALFORMED),
    (
        "a query parameter absent",
        {"covered": ('"@authority"', '"@query-param";name="x"'), "base": ANYTHING},
        MALFORMED,
    ),
    (
        "more than 64 components",
        {"covered": ('"@authority"', *(f'"x-{i}"' for i in range(64))), "base": ANYTHING},
        MALFORMED,
    ),
    ("another base", {"base": b'"@authority": evil.example'}, INVALID),
    ("an empty base", {"base": b""}, INVALID),
    ("a label in capitals", {"label": "Sig1"}, MALFORMED),
]  # fmt: skip


@pytest.mark.parametrize("attempt", EVERYWHERE)
@pytest.mark.parametrize(("changes", "reason"), [pytest.param(*row[1:], id=row[0]) for row in PARAMETERS])
async def test_wrong_parameter_or_component(
    services: Services, attempt: Attempt, changes: dict[str, Any], reason: str
) -> None:
    """Each is refused with its own reason, at every endpoint that asks for a signature."""
    answer = await attempt(services, dict(changes))
    assert answer.verdict == (401, reason)
    assert answer.error["outcome"] == "invalid"


@pytest.mark.parametrize("attempt", EVERYWHERE)
@pytest.mark.parametrize(
    "changes",
    [
        {"alg": None},
        {"created": In(30), "expires": In(300)},
        {"created": In(-300), "expires": In(-30)},
        {"created": In(0), "expires": In(3600)},
        {"nonce": "n" * 512},
        {"order": ("tag", "nonce", "expires", "alg", "keyid", "created")},
        {"extra": "unknown parameters are signed and ignored"},
        {"covered": ('"@method"', '"@authority"', '"@target-uri"', '"@scheme"', '"@path"', '"@query"')},
        {"covered": ('"@request-target"', '"@authority"')},
        {"label": "a-label_of.its*own"},
        {"tag": "web-bot-auth"},
    ],
    ids=str,
)
async def test_right_but_unusual(services: Services, attempt: Attempt, changes: dict[str, Any]) -> None:
    """The bounds themselves, other orders, other labels and everything a request can carry are accepted."""
    if "label" in changes and attempt in SIGNED:
        agent = await services.agent()
        signed = agent.sign(named=f'{changes["label"]}="{agent.url}"', **changes)
        assert (await services.verify(signed)).status == 200
    else:
        assert (await attempt(services, dict(changes))).status == 200


@pytest.mark.parametrize("attempt", SIGNED)
async def test_keyid_of_nobody(services: Services, attempt: Attempt) -> None:
    """A keyid that the agent never had is an unknown key: unverified, not invalid."""
    for keyid in (FORTY_THREE, "x", "http://evil.example/key"):
        answer = await attempt(services, {"keyid": keyid})
        assert (answer.verdict, answer.error["outcome"]) == ((401, "UNKNOWN_KEY"), "unverified")


@pytest.mark.parametrize("attempt", SIGNED)
async def test_registration_tag_elsewhere(services: Services, attempt: Attempt) -> None:
    """The tag `null` is for registrations alone."""
    assert (await attempt(services, {"tag": "null"})).verdict == (401, "WRONG_TAG")


LABELS = ", ".join
BYTES = ":" + "A" * 86 + "==:"
INPUT = f'("@authority");created=1;keyid="{FORTY_THREE}";expires=2;nonce="n";tag="web-bot-auth"'
OTHER = INPUT.replace("web-bot-auth", "payments")

# Signature-Input, Signature -> reason. None leaves a header out.
HEADERS: list[tuple[str, str | None, str | None, str]] = [
    ("neither", None, None, "MISSING_SIGNATURE_INPUT"),
    ("no input", None, f"sig1={BYTES}", "MISSING_SIGNATURE_INPUT"),
    ("no signature", f"sig1={INPUT}", None, "MISSING_SIGNATURE"),
    ("both empty", "", "", "MISSING_SIGNATURE_INPUT"),
    ("an empty input", "", f"sig1={BYTES}", "MISSING_SIGNATURE_INPUT"),
    ("an empty signature", f"sig1={INPUT}", "", "MISSING_SIGNATURE"),
    ("an input that is no dictionary", "(((", f"sig1={BYTES}", MALFORMED),
    ("a signature that is no dictionary", f"sig1={INPUT}", "(((", MALFORMED),
    ("labels that do not match", f"sig1={INPUT}", f"sig2={BYTES}", MALFORMED),
    ("a label in the input alone", LABELS([f"sig1={INPUT}", f"sig2={OTHER}"]), f"sig1={BYTES}", MALFORMED),
    ("a label in the signature alone", f"sig1={INPUT}", f"sig1={BYTES}, sig2={BYTES}", MALFORMED),
    ("a label twice in the input", LABELS([f"sig1={INPUT}"] * 2), f"sig1={BYTES}", MALFORMED),
    ("a label twice in the signature", f"sig1={INPUT}", LABELS([f"sig1={BYTES}"] * 2), MALFORMED),
    ("an input without a list", f'sig1="@authority";keyid="{FORTY_THREE}"', f"sig1={BYTES}", MALFORMED),
    ("an input that is true", "sig1", f"sig1={BYTES}", MALFORMED),
    ("a signature that is a string", f"sig1={INPUT}", 'sig1="AAAA"', MALFORMED),
    ("a signature that is a list", f"sig1={INPUT}", f"sig1=({BYTES})", MALFORMED),
    ("a signature that is true", f"sig1={INPUT}", "sig1", MALFORMED),
    ("a signature cut short", f"sig1={INPUT}", f"sig1={BYTES[:-1]}", MALFORMED),
    ("no base64", f"sig1={INPUT}", "sig1=:!!!!:", MALFORMED),
    ("something behind the input", f"sig1={INPUT},", f"sig1={BYTES}", MALFORMED),
    ("something behind the signature", f"sig1={INPUT}", f"sig1={BYTES} x", MALFORMED),
    ("a tab inside", f"sig1={INPUT}".replace(";", "\t;"), f"sig1={BYTES}", MALFORMED),
    (
        "more than 16 labels",
        LABELS(f"s{i}={OTHER}" for i in range(17)),
        LABELS(f"s{i}={BYTES}" for i in range(17)),
        MALFORMED,
    ),
    (
        "more than four candidates",
        LABELS(f"s{i}={INPUT}" for i in range(5)),
        LABELS(f"s{i}={BYTES}" for i in range(5)),
        MALFORMED,
    ),
    ("a tag that is not ours", f"sig1={OTHER}", f"sig1={BYTES}", "WRONG_TAG"),
    ("an input of more than 8 KiB", f"sig1={INPUT}" + " " * 1 + "x" * 8192, f"sig1={BYTES}", MALFORMED),
    ("a signature of more than 8 KiB", f"sig1={INPUT}", f"sig1=:{'A' * 8192}:", MALFORMED),
]


@pytest.mark.parametrize(
    ("signature_input", "signature", "reason"), [pytest.param(*row[1:], id=row[0]) for row in HEADERS]
)
async def test_headers_that_cannot_be_read(
    services: Services, signature_input: str | None, signature: str | None, reason: str
) -> None:
    """Missing, malformed or ambiguous signature headers are refused whole, at every endpoint."""
    given = {"Signature-Input": signature_input, "Signature": signature}
    headers = {name: value for name, value in given.items() if value is not None}
    named = {**headers, "Signature-Agent": 'sig1="https://agent-000000000000000000000000.agents.example"'}
    body = jwk_body(generate().public.jwk)
    assert (await services.verify(named)).verdict == (401, reason)
    for path, sent in (("/whoami", named), ("/rotate", named), ("/register", headers)):
        assert (await services.call("POST", path, sent, body)).verdict == (401, reason)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
async def test_signature_of_another_length(services: Services, length: int) -> None:
    """A signature that is not 64 bytes is wrong, and nothing falls over it."""
    agent = await services.agent()
    value = f"sig1=:{base64.b64encode(bytes(length)).decode()}:"
    assert (await services.verify({**agent.sign(), "Signature": value})).verdict == (401, INVALID)
    headers = {**agent.sign("GET", f"{BASE}/whoami"), "Signature": value}
    assert (await services.call("GET", "/whoami", headers)).verdict == (401, INVALID)


async def test_every_bit_of_a_signature_counts(services: Services) -> None:
    """A signature with one bit turned over does not verify, whichever byte it is in."""
    agent = await services.agent()
    signed = agent.sign()
    value = base64.b64decode(signed["Signature"].partition(":")[2].rstrip(":"))
    for place in range(0, 64, 3):
        turned = bytearray(value)
        turned[place] ^= 1
        headers = {**signed, "Signature": f"sig1=:{base64.b64encode(turned).decode()}:"}
        assert (await services.verify(headers)).verdict == (401, INVALID)
    assert (await services.verify(signed)).status == 200


async def test_second_form_of_a_signature(services: Services) -> None:
    """S plus the order of the group would be a second signature of the same message: it is refused."""
    agent = await services.agent()
    order = 2**252 + 27742317777372353535851937790883648493
    signed = agent.sign_strictly(nonce=None)
    value = base64.b64decode(signed["Signature"].partition(":")[2].rstrip(":"))
    other = value[:32] + (int.from_bytes(value[32:], "little") + order).to_bytes(32, "little")
    twin = {**signed, "Signature": f"sig1=:{base64.b64encode(other).decode()}:"}
    assert (await services.verify(signed)).status == 200
    assert (await services.verify(twin)).verdict == (401, INVALID)


AGENTS: list[tuple[str, str | list[str] | None, str]] = [
    ("missing", None, "MISSING_SIGNATURE_AGENT"),
    ("empty", "", "INVALID_SIGNATURE_AGENT"),
    ("no URL", 'sig1="nonsense"', "INVALID_SIGNATURE_AGENT"),
    ("a number", "sig1=5", "INVALID_SIGNATURE_AGENT"),
    ("a list", 'sig1=("https://a.example")', "INVALID_SIGNATURE_AGENT"),
    ("bytes", "sig1=:AAAA:", "INVALID_SIGNATURE_AGENT"),
    ("an empty string", 'sig1=""', "INVALID_SIGNATURE_AGENT"),
    ("unfinished", 'sig1="https://a.example', "INVALID_SIGNATURE_AGENT"),
    ("a bare URL", "https://a.example", "INVALID_SIGNATURE_AGENT"),
    ("a member twice", 'sig1="https://a.example", sig1="https://b.example"', "INVALID_SIGNATURE_AGENT"),
    ("two lines with one member", ['sig1="https://a.example"'] * 2, "INVALID_SIGNATURE_AGENT"),
    ("two bare strings", ['"https://a.example"', '"https://b.example"'], "INVALID_SIGNATURE_AGENT"),
    ("longer than 8 KiB", 'sig1="https://a.example/' + "x" * 8192 + '"', "INVALID_SIGNATURE_AGENT"),
]


@pytest.mark.parametrize(("named", "reason"), [pytest.param(*row[1:], id=row[0]) for row in AGENTS])
async def test_signature_agent_that_cannot_be_read(
    services: Services, named: str | list[str] | None, reason: str
) -> None:
    """A missing, malformed or ambiguous Signature-Agent names nobody, at verifier and registrar."""
    agent = await services.agent()
    lines = [named] if isinstance(named, str) else named or []
    for url, body in (
        (TOOL, None),
        (f"{BASE}/whoami", b""),
        (f"{BASE}/rotate", jwk_body(generate().public.jwk)),
    ):
        signed = signer.sign(agent.key, "POST", url)
        if body is None:
            answer = await services.verify({**signed, **({"Signature-Agent": lines} if lines else {})})
        else:
            headers = [*signed.items(), *(("Signature-Agent", line) for line in lines)]
            answer = await services.call("POST", url.removeprefix(BASE), headers, body)
        assert answer.verdict == (401, reason)
    assert await services.directory(agent) == [agent.key.public.kid]


async def test_one_bad_signature_among_good_ones(services: Services) -> None:
    """Each signature is judged by itself: one that cannot be read or does not hold leaves the good one its answer."""
    agent = await services.agent()
    agents = f'sig1="{agent.url}", sig2="{agent.url}"'
    for fault in ({"created": None}, {"base": b"another"}, {"nonce": ""}, {"keyid": FORTY_THREE}):
        bad = agent.sign(named=agents, **fault)
        good = agent.sign(named=agents, label="sig2")
        answer = await services.verify({**both(bad, good), "Signature-Agent": agents})
        assert (answer.status, answer.json["label"]) == (200, "sig2")


async def test_signatures_of_others_are_left_alone(services: Services) -> None:
    """Signatures with a tag of their own use are nobody's business here, up to 16 labels."""
    agent = await services.agent()
    named = f'mine="{agent.url}"'
    others = [agent.sign(label=f"o{i}", tag="payments", base=b"x", named=named) for i in range(15)]
    mine = agent.sign(label="mine", named=named)
    answer = await services.verify({**both(*others, mine), "Signature-Agent": named})
    assert (answer.status, answer.json["label"]) == (200, "mine")


async def test_refusal_is_about_the_first_signature(services: Services) -> None:
    """When none verifies, the reason is the first candidate's."""
    agent = await services.agent()
    agents = f'sig1="{agent.url}", sig2="{agent.url}"'
    expired = agent.sign(named=agents, created=In(-900), expires=In(-600))
    forged = agent.sign(named=agents, label="sig2", base=b"another")
    for order, reason in (((expired, forged), "EXPIRED_SIGNATURE"), ((forged, expired), INVALID)):
        answer = await services.verify({**both(*order), "Signature-Agent": agents})
        assert answer.verdict == (401, reason)
