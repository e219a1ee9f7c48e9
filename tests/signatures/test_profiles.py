"""The table of profiles: which signature meets which, and the reason where it meets none.

Nothing is proven here: these tests are about what a signature states, before its mathematics are worth doing.
"""

from dataclasses import replace
from typing import Any

import pytest

from signing import AGENT, CREATED, EXPIRES, KID, NONCE, NOW, URL, headers, stated
from vestry_signatures import Claim, Policy, Request, SignatureError, claims, registration_claim
from vestry_signatures.errors import (
    ExpiredSignature,
    InsufficientCoverage,
    InvalidSignatureAgent,
    LifetimeTooLong,
    MalformedSignature,
    MissingNonce,
    MissingSignatureAgent,
    NotYetValid,
    UnsupportedAlg,
    WrongTag,
)

BOTH = Policy()
VESTAUTH = Policy(profiles=frozenset({"vestauth"}))
WEB_BOT_AUTH = Policy(profiles=frozenset({"web-bot-auth"}))
STRICT = Policy(nonce_required=True)

OWN = '("@authority" "signature-agent";key="sig1")'
OTHER = '("@authority" "signature-agent";key="agent2")'
WHOLE = '("@authority" "signature-agent")'
BARE = f'"{AGENT}"'
DICTIONARY = f'sig1="{AGENT}"'
TOKEN = "sig1=agent-0123456789abcdef01234567.localhost"
AGENT2 = f'agent2="{AGENT}"'
TWO = f'agent2="http://other.example", sig1="{AGENT}"'


def judge(
    text: str, agent: str | None = DICTIONARY, policy: Policy = BOTH, now: int = NOW
) -> Claim | SignatureError:
    """What the one signature labelled sig1 claims, or why it is refused."""
    try:
        (found,) = claims(Request.of("GET", URL, headers({"sig1": text}, agent)), policy, now)
    except SignatureError as error:
        return error
    return found


def meets(found: Claim | SignatureError) -> str:
    """The profile that is met, or the reason why none is."""
    return found.reason if isinstance(found, SignatureError) else found.profile


COVERAGE: list[tuple[str, str | None, Policy, Any]] = [
    # what is covered, Signature-Agent, policy, the profile or the error
    ('("@authority")', DICTIONARY, BOTH, "vestauth"),
    ('("@authority")', TOKEN, BOTH, "vestauth"),
    ('("@authority")', f"{DICTIONARY};type=jwks_uri", BOTH, "vestauth"),
    ('("@authority")', TWO, BOTH, "vestauth"),
    ('("@authority" "@method" "@path")', DICTIONARY, BOTH, "vestauth"),
    ('("@method" "@authority")', DICTIONARY, BOTH, "vestauth"),
    ('("@authority")', DICTIONARY, VESTAUTH, "vestauth"),
    ('("@authority")', DICTIONARY, WEB_BOT_AUTH, InsufficientCoverage),
    ('("@authority")', AGENT2, BOTH, InvalidSignatureAgent),
    ('("@authority")', BARE, BOTH, InvalidSignatureAgent),
    ('("@authority")', None, BOTH, MissingSignatureAgent),
    ('("@authority")', "", BOTH, InvalidSignatureAgent),
    ('("@authority")', "sig1=1", BOTH, InvalidSignatureAgent),
    ('("@authority")', f"{DICTIONARY}, {DICTIONARY}", BOTH, InvalidSignatureAgent),
    (OWN, DICTIONARY, BOTH, "web-bot-auth"),
    (OWN, TOKEN, BOTH, "web-bot-auth"),
    (OWN, TWO, BOTH, "web-bot-auth"),
    (OWN, DICTIONARY, WEB_BOT_AUTH, "web-bot-auth"),
    (OWN, DICTIONARY, VESTAUTH, "vestauth"),
    (OTHER, AGENT2, BOTH, "web-bot-auth"),
    (OTHER, AGENT2, VESTAUTH, "vestauth"),
    (OTHER, TWO, BOTH, "web-bot-auth"),
    (OTHER, DICTIONARY, WEB_BOT_AUTH, InsufficientCoverage),
    (OWN, BARE, BOTH, InvalidSignatureAgent),
    (OWN, None, BOTH, MissingSignatureAgent),
    (WHOLE, BARE, BOTH, "web-bot-auth"),
    (WHOLE, BARE, VESTAUTH, "vestauth"),
    (WHOLE, DICTIONARY, BOTH, "web-bot-auth"),
    (WHOLE, DICTIONARY, WEB_BOT_AUTH, "web-bot-auth"),
    (WHOLE, AGENT2, BOTH, "web-bot-auth"),
    ('("@target-uri" "signature-agent";key="sig1")', DICTIONARY, BOTH, "web-bot-auth"),
    ('("@target-uri" "signature-agent")', BARE, BOTH, "web-bot-auth"),
    ('("@target-uri" "signature-agent";key="sig1")', DICTIONARY, VESTAUTH, InsufficientCoverage),
    ('("@target-uri")', DICTIONARY, BOTH, InsufficientCoverage),
    ('("@authority" "signature-agent";key="a" "signature-agent";key="b")', TWO, BOTH, InvalidSignatureAgent),
    ("()", DICTIONARY, BOTH, InsufficientCoverage),
    ('("@method" "@path" "@query" "host")', DICTIONARY, BOTH, InsufficientCoverage),
    ('("signature-agent";key="sig1")', DICTIONARY, BOTH, InsufficientCoverage),
    ('("@scheme" "signature-agent";key="sig1")', DICTIONARY, BOTH, InsufficientCoverage),
]


@pytest.mark.parametrize(("covered", "agent", "policy", "expected"), COVERAGE)
def test_coverage_and_agent(covered: str, agent: str | None, policy: Policy, expected: Any) -> None:
    """The strictest profile that coverage and Signature-Agent allow, among those that the policy has."""
    found = judge(stated(covered), agent, policy)
    assert meets(found) == getattr(expected, "reason", expected)


@pytest.mark.parametrize(
    ("covered", "agent", "value"),
    [
        ('("@authority")', TWO, AGENT),
        (OWN, TWO, AGENT),
        (OTHER, TWO, "http://other.example"),
        (WHOLE, BARE, AGENT),
        (WHOLE, TWO, AGENT),
        ('("@authority" "signature-agent";key="sig1" "signature-agent";key="agent2")', TWO, AGENT),
    ],
)
@pytest.mark.parametrize("policy", [BOTH, VESTAUTH])
def test_the_agent_is_never_simply_the_first(covered: str, agent: str, value: str, policy: Policy) -> None:
    """A member put before ours changes nothing about who is meant, and what is covered goes before what is not."""
    found = judge(stated(covered), agent, policy)
    assert isinstance(found, Claim)
    assert found.agent is not None
    assert found.agent.value == value


@pytest.mark.parametrize("covered", ['("@authority")', OWN])
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"created": None}, MalformedSignature),
        ({"created": "1.0"}, MalformedSignature),
        ({"created": f'"{CREATED}"'}, MalformedSignature),
        ({"created": f"@{CREATED}"}, MalformedSignature),
        ({"created": "?1"}, MalformedSignature),
        ({"created": "x"}, MalformedSignature),
        ({"created": "-1"}, LifetimeTooLong),
        ({"created": "9" * 15}, NotYetValid),
        ({"created": "9" * 16}, MalformedSignature),
        ({"expires": None}, MalformedSignature),
        ({"expires": f"{EXPIRES}.5"}, MalformedSignature),
        ({"expires": "?0"}, MalformedSignature),
        ({"expires": "0"}, ExpiredSignature),
        ({"expires": "-1"}, ExpiredSignature),
        ({"expires": "9" * 15}, LifetimeTooLong),
        ({"expires": str(CREATED)}, MalformedSignature),
        ({"expires": str(CREATED - 1)}, MalformedSignature),
        ({"keyid": None}, MalformedSignature),
        ({"keyid": '""'}, MalformedSignature),
        ({"keyid": "abc"}, MalformedSignature),
        ({"keyid": "1"}, MalformedSignature),
        ({"keyid": f'"{"k" * 257}"'}, MalformedSignature),
        ({"alg": '"rsa-pss-sha512"'}, UnsupportedAlg),
        ({"alg": '"hmac-sha256"'}, UnsupportedAlg),
        ({"alg": '"rsa-v1_5-sha256"'}, UnsupportedAlg),
        ({"alg": '"Ed25519"'}, UnsupportedAlg),
        ({"alg": '""'}, UnsupportedAlg),
        ({"alg": "ed25519"}, MalformedSignature),
        ({"tag": None}, WrongTag),
        ({"tag": '"null"'}, WrongTag),
        ({"tag": '"other"'}, WrongTag),
        ({"tag": "web-bot-auth"}, WrongTag),
        ({"nonce": '""'}, MissingNonce),
        ({"nonce": "abc"}, MalformedSignature),
        ({"nonce": "1"}, MalformedSignature),
        ({"nonce": f'"{"n" * 513}"'}, MalformedSignature),
    ],
)
def test_a_parameter_missing_or_wrong(
    changes: dict[str, str | None], error: type[SignatureError], covered: str
) -> None:
    """Each parameter that is left out, of another type or of another value has its reason, in both profiles."""
    assert meets(judge(stated(covered, **changes))) == error.reason


@pytest.mark.parametrize("covered", ['("@authority")', OWN])
def test_alg_may_be_left_out(covered: str) -> None:
    """The key says which algorithm goes with it."""
    assert isinstance(judge(stated(covered, alg=None)), Claim)


@pytest.mark.parametrize("alg", ["ed25519", "ecdsa-p256-sha256", "rsa-pss-sha512"])
def test_the_policy_says_which_algorithms_are_accepted(alg: str) -> None:
    """Another algorithm is accepted where it is asked for, and ed25519 refused where it is not."""
    policy = Policy(algorithms=frozenset({"ecdsa-p256-sha256", "rsa-pss-sha512"}))
    accepted = meets(judge(stated(alg=f'"{alg}"'), policy=policy))
    assert accepted == ("UNSUPPORTED_ALG" if alg == "ed25519" else "vestauth")


@pytest.mark.parametrize(
    ("covered", "nonce", "policy", "expected"),
    [
        ('("@authority")', None, BOTH, "MISSING_NONCE"),
        ('("@authority")', '""', BOTH, "MISSING_NONCE"),
        ('("@authority")', '" "', BOTH, "vestauth"),
        ('("@authority")', f'"{"n" * 512}"', BOTH, "vestauth"),
        (OWN, None, BOTH, "web-bot-auth"),
        (OWN, '""', BOTH, "MISSING_NONCE"),
        (OWN, f'"{NONCE}"', BOTH, "web-bot-auth"),
        (OWN, None, STRICT, "MISSING_NONCE"),
        (OWN, '""', STRICT, "MISSING_NONCE"),
        (OWN, f'"{NONCE}"', STRICT, "web-bot-auth"),
        (OWN, None, VESTAUTH, "MISSING_NONCE"),
        (OWN, None, replace(WEB_BOT_AUTH, nonce_required=True), "MISSING_NONCE"),
    ],
)
def test_nonce(covered: str, nonce: str | None, policy: Policy, expected: str) -> None:
    """`vestauth` needs one, `web-bot-auth` where the policy says so, and an empty one is none."""
    assert meets(judge(stated(covered, nonce=nonce), policy=policy)) == expected


@pytest.mark.parametrize(
    ("created", "expires", "now", "expected"),
    [
        (1000, 1300, 1000, "vestauth"),
        (1000, 1300, 1300, "vestauth"),
        (1000, 1300, 1360, "vestauth"),
        (1000, 1300, 1361, "EXPIRED_SIGNATURE"),
        (1000, 1300, 940, "vestauth"),
        (1000, 1300, 939, "NOT_YET_VALID"),
        (1000, 1001, 1000, "vestauth"),
        (1000, 1000, 1000, "MALFORMED_SIGNATURE"),
        (1000, 999, 1000, "MALFORMED_SIGNATURE"),
        (1000, 4600, 1000, "vestauth"),
        (1000, 4601, 1000, "LIFETIME_TOO_LONG"),
        (0, 1, 0, "vestauth"),
        (0, 300, 360, "vestauth"),
    ],
)
@pytest.mark.parametrize("covered", ['("@authority")', OWN])
def test_the_seconds_at_the_edges(created: int, expires: int, now: int, expected: str, covered: str) -> None:
    """Both clocks may differ by sixty seconds and a signature may live an hour: to the second, on either side."""
    text = stated(covered, created=str(created), expires=str(expires))
    assert meets(judge(text, now=now)).replace("web-bot-auth", "vestauth") == expected


@pytest.mark.parametrize(
    ("created", "expires", "now", "expected"),
    [
        (1000, 1010, 1010, "vestauth"),
        (1000, 1010, 1011, "EXPIRED_SIGNATURE"),
        (1000, 1010, 999, "NOT_YET_VALID"),
        (1000, 1011, 1000, "LIFETIME_TOO_LONG"),
    ],
)
def test_skew_and_lifetime_are_settings(created: int, expires: int, now: int, expected: str) -> None:
    """With no skew and ten seconds of life the edges lie there."""
    policy = Policy(clock_skew=0, max_lifetime=10)
    assert (
        meets(judge(stated(created=str(created), expires=str(expires)), policy=policy, now=now)) == expected
    )


@pytest.mark.parametrize(
    ("changes", "agent", "error"),
    [
        ({"created": None, "alg": '"x"', "covered": "()"}, None, MalformedSignature),
        ({"alg": '"x"', "expires": "1", "covered": "()"}, None, UnsupportedAlg),
        ({"expires": "1", "covered": "()", "nonce": None}, None, ExpiredSignature),
        ({"covered": "()", "nonce": None}, None, InsufficientCoverage),
        ({"nonce": None}, None, MissingSignatureAgent),
        ({"nonce": None}, AGENT2, InvalidSignatureAgent),
    ],
)
def test_the_first_check_that_fails_gives_the_reason(
    changes: dict[str, str | None], agent: str | None, error: type[SignatureError]
) -> None:
    """What is stated, time, coverage, agent, nonce: in this order."""
    changes = dict(changes)
    covered = changes.pop("covered", '("@authority")')
    assert meets(judge(stated(covered or "", **changes), agent)) == error.reason


def test_a_claim_says_what_it_claims() -> None:
    """Everything the later steps need is in the claim, typed."""
    found = judge(stated())
    assert isinstance(found, Claim)
    assert (found.keyid, found.created, found.expires) == (KID, CREATED, EXPIRES)
    assert found.signature.label == "sig1"


def test_each_signature_is_judged_by_itself() -> None:
    """One candidate's fault is one entry, in field order; a foreign tag is none at all."""
    inputs = {
        "old": stated(expires=str(NOW - 61), created=str(NOW - 100)),
        "foreign": stated(tag='"other"'),
        "sig1": stated(),
        "broken": stated(created='"x"'),
        "covered": stated('("@authority" "signature-agent";key="covered")'),
    }
    agents = ", ".join(f'{label}="{AGENT}"' for label in inputs)
    found = claims(Request.of("GET", URL, headers(inputs, agents)), BOTH, NOW)
    assert [meets(one) for one in found] == [
        "EXPIRED_SIGNATURE",
        "vestauth",
        "MALFORMED_SIGNATURE",
        "web-bot-auth",
    ]


def test_five_candidates_are_too_many() -> None:
    """A fifth signature that could be meant is refused before any is judged."""
    inputs = {f"s{number}": stated() for number in range(5)}
    with pytest.raises(MalformedSignature):
        claims(Request.of("GET", URL, headers(inputs)), BOTH, NOW)


def register(inputs: dict[str, str], agent: str | None = None, now: int = NOW) -> str:
    """The outcome of a registration with these signatures: their label, or the reason."""
    try:
        found = registration_claim(Request.of("POST", URL, headers(inputs, agent)), BOTH, now)
    except SignatureError as error:
        return error.reason
    assert (found.profile, found.agent) == ("registration", None)
    return found.signature.label


@pytest.mark.parametrize("tag", ['"null"', '"web-bot-auth"'])
@pytest.mark.parametrize("covered", ['("@authority")', '("@method" "@authority")'])
def test_registration(tag: str, covered: str) -> None:
    """Released clients write the tag `null`; the usual tag is as good."""
    assert register({"sig1": stated(covered, tag=tag)}) == "sig1"


@pytest.mark.parametrize(
    ("covered", "changes", "agent", "reason"),
    [
        ('("@authority")', {}, DICTIONARY, "INVALID_SIGNATURE_AGENT"),
        ('("@authority")', {}, "", "INVALID_SIGNATURE_AGENT"),
        ('("@authority")', {"nonce": None}, None, "MISSING_NONCE"),
        ('("@authority")', {"nonce": '""'}, None, "MISSING_NONCE"),
        ('("@authority")', {"tag": None}, None, "WRONG_TAG"),
        ('("@authority")', {"tag": "null"}, None, "WRONG_TAG"),
        ('("@authority")', {"tag": '""'}, None, "WRONG_TAG"),
        ('("@authority")', {"created": None}, None, "MALFORMED_SIGNATURE"),
        ('("@authority")', {"expires": None}, None, "MALFORMED_SIGNATURE"),
        ('("@authority")', {"keyid": None}, None, "MALFORMED_SIGNATURE"),
        ('("@authority")', {"keyid": "1"}, None, "MALFORMED_SIGNATURE"),
        ('("@authority")', {"alg": '"rsa-pss-sha512"'}, None, "UNSUPPORTED_ALG"),
        ('("@authority")', {"expires": str(CREATED + 3601)}, None, "LIFETIME_TOO_LONG"),
        ('("@authority")', {"created": str(NOW + 61)}, None, "NOT_YET_VALID"),
        ('("@authority")', {"expires": str(NOW - 61), "created": "1"}, None, "EXPIRED_SIGNATURE"),
        ('("@target-uri")', {}, None, "INSUFFICIENT_COVERAGE"),
        ("()", {}, None, "INSUFFICIENT_COVERAGE"),
    ],
)
def test_registration_refused(
    covered: str, changes: dict[str, str | None], agent: str | None, reason: str
) -> None:
    """What a registration must state, and that it names no agent."""
    assert register({"sig1": stated(covered, **changes)}, agent) == reason


def test_registration_with_several_signatures() -> None:
    """The first that meets the profile counts; where none does, the reason is the first one's."""
    old, broken = stated(expires=str(NOW - 61), created="1"), stated(created='"x"')
    assert register({"old": old, "broken": broken, "good": stated(), "second": stated()}) == "good"
    assert register({"old": old, "broken": broken}) == "EXPIRED_SIGNATURE"
    assert register({"broken": broken, "old": old}) == "MALFORMED_SIGNATURE"
