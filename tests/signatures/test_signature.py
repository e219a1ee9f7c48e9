"""One label's members of both fields become a typed signature, or are refused."""

import pytest

from signing import CREATED, EXPIRES, KID, NONCE, stated
from vestry_signatures import Signature, fields
from vestry_signatures.components import Component
from vestry_signatures.errors import MalformedSignature
from vestry_signatures.signature import MAX_COMPONENTS, read_signature


def read(text: str) -> Signature:
    """Read `Signature-Input: sig1=TEXT` with a value of three bytes."""
    return read_signature("sig1", fields.parse_dictionary(f"sig1={text}")["sig1"], b"abc")


def test_every_parameter_has_its_place() -> None:
    """What the signature states is kept as stated, with the list as the last line of the base needs it."""
    assert read(stated('( "@authority"   "x";key="a" )')) == Signature(
        label="sig1",
        covered=(Component("@authority", {}, '"@authority"'), Component("x", {"key": "a"}, '"x";key="a"')),
        parameters=stated('("@authority" "x";key="a")'),
        created=CREATED,
        expires=EXPIRES,
        keyid=KID,
        alg="ed25519",
        nonce=NONCE,
        tag="web-bot-auth",
        value=b"abc",
    )


def test_what_is_not_stated_is_none() -> None:
    """RFC 9421 requires no parameter and no component; profiles do."""
    assert read("()") == Signature("sig1", (), "()", None, None, None, None, None, None, b"abc")


def test_unknown_parameters_are_signed_as_they_stand() -> None:
    """A parameter that is not known here is part of the base all the same (section 2.3)."""
    assert read('();new="x";flag;created=1').parameters == '();new="x";flag;created=1'


@pytest.mark.parametrize(
    "parameter",
    [
        f"{name}={value}"
        for name, wrong in {
            "created": ["1.0", '"1"', "?1", "@1", "a", ":YQ==:"],
            "expires": ["1.5", '"1"', "?0", "@1", "a", ":YQ==:"],
            "keyid": ["1", "a", "?1", ":YQ==:", "@1", '%"a"'],
            "alg": ["1", "ed25519", "?1", ":YQ==:"],
            "nonce": ["1", "a", "?1", ":YQ==:", '%"a"'],
            "tag": ["1", "web-bot-auth", "?1", ":YQ==:"],
        }.items()
        for value in wrong
    ],
)
def test_a_parameter_of_another_type_is_malformed(parameter: str) -> None:
    """Whole numbers are whole numbers and strings are strings: nothing is converted (section 2.3)."""
    with pytest.raises(MalformedSignature):
        read(f"();{parameter}")


@pytest.mark.parametrize(("name", "limit"), [("keyid", 256), ("nonce", 512)])
def test_long_texts_are_refused(name: str, limit: int) -> None:
    """256 characters of keyid and 512 of nonce are read, not one more."""
    assert getattr(read(f'();{name}="{"a" * limit}"'), name) == "a" * limit
    with pytest.raises(MalformedSignature):
        read(f'();{name}="{"a" * (limit + 1)}"')


def test_too_many_components_are_refused() -> None:
    """Sixty-four components are read, not one more."""
    names = [f'"x{number}"' for number in range(MAX_COMPONENTS + 1)]
    assert len(read(f"({' '.join(names[:-1])})").covered) == 64
    with pytest.raises(MalformedSignature):
        read(f"({' '.join(names)})")


@pytest.mark.parametrize(
    "covered",
    [
        "(1)",
        "(token)",
        "(?1)",
        "(:YQ==:)",
        '("")',
        '("Host")',
        '("@Authority")',
        '("@signature-params")',
        '("@signature-params";x)',
        '("a" "a")',
        '("a";sf "a";sf)',
        '("a";sf;key="x" "a";key="x";sf)',
        '("@authority" "b" "@authority")',
        '("a";x=1 "a";x)',
    ],
)
def test_a_component_that_is_none_or_there_twice(covered: str) -> None:
    """Names are lowercase strings, each covered once whatever the order of its parameters (section 2)."""
    with pytest.raises(MalformedSignature):
        read(covered)


def test_one_name_with_other_parameters_is_another_component() -> None:
    """`"a"`, its bytes and two of its members are four things."""
    assert len(read('("a" "a";bs "a";key="x" "a";key="y")').covered) == 4
