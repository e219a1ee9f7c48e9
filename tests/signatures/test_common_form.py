"""The patterns are an optimisation and never an opinion: wherever one matches, the full parser says the same.

Both are fed with the headers of the released clients and of our own signer, whole and damaged: every place of a
header with every interesting character put in, put over or taken out, and arbitrary heaps of such damage.
"""

import importlib
import string
from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import AGENT, CREATED, KEY, NONCE, URL, headers, stated
from vestry_signatures import Request, Signature, SignatureError, parse, sign, signature_agent
from vestry_signatures.common_form import read_common_agent, read_common_signature
from vestry_signatures.errors import InvalidSignatureAgent, MalformedSignature
from vestry_signatures.parse import parse_in_full
from vestry_signatures.signature_agent import AgentField, read_agent_field

VALUE = bytes(range(64))


def _hand_written(text: str, agent: str | None = f'sig1="{AGENT}"') -> dict[str, str]:
    return dict(headers({"sig1": text}, agent, {"sig1": VALUE}))


RELEASED = {
    "vestauth": _hand_written(stated()),
    "vestauth https": _hand_written(
        stated(), 'sig1="https://agent-0123456789abcdef01234567.vestauth.example/"'
    ),
    "vestauth registers": _hand_written(stated(tag='"null"'), None),
    "cloudflare": _hand_written(
        stated('("@authority" "signature-agent";key="sig1")', nonce=f'"{NONCE[:-2]}=="'),
        'sig1="https://a.example"',
    ),
}
"""What released clients send, one signature a request."""

_request = Request.of("POST", URL, [("X-A", "a=1")])
OURS = {
    "default": sign(_request, KEY, created=CREATED, agent_url=AGENT),
    "authority alone": sign(_request, KEY, created=CREATED, agent_url=AGENT, components=["@authority"]),
    "many": sign(
        _request,
        KEY,
        created=CREATED,
        agent_url=AGENT,
        components=[
            "@method",
            "@target-uri",
            "@authority",
            "x-a",
            '"x-a";key="a"',
            '"signature-agent";key="sig1"',
        ],
    ),
    "registration": sign(_request, KEY, created=CREATED, tag="null"),
    "label": sign(_request, KEY, created=CREATED, agent_url=AGENT, label="*a_1.-"),
}
"""What our own signer writes."""


def fast(found: dict[str, str]) -> Signature | None:
    """What the patterns make of the two signature headers."""
    return read_common_signature(found["Signature-Input"], found["Signature"])


def full(signature_input: str, signature: str, tag: str) -> str:
    """What the full parser makes of them, types and all; or the reason why it refuses them."""
    try:
        return repr(parse_in_full(signature_input, signature, {tag}))
    except SignatureError as error:
        return error.reason


def agents_in_full(value: str) -> AgentField:
    """Read Signature-Agent with the full parser alone."""
    with mock.patch.object(signature_agent, "read_common_agent", return_value=None):
        return read_agent_field(value)


@pytest.mark.parametrize("found", [*RELEASED.values(), *OURS.values()], ids=[*RELEASED, *OURS])
def test_released_clients_take_the_short_way(found: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted: no header of a released client or of our own signer reaches the full parser."""
    module = importlib.import_module("vestry_signatures.parse")
    slow = mock.Mock(side_effect=AssertionError("the full parser was asked"))
    monkeypatch.setattr(module, "parse_in_full", slow)
    monkeypatch.setattr(signature_agent.fields, "parse_dictionary", slow)
    monkeypatch.setattr(signature_agent.fields, "parse_item", slow)
    (signature,) = parse(Request.of("GET", URL, found.items()), {"web-bot-auth", "null"})
    assert isinstance(signature, Signature)
    if "Signature-Agent" in found:
        assert list(read_agent_field(found["Signature-Agent"]).members) == [signature.label]
    assert slow.call_count == 0


SEEDS = [*RELEASED.values(), *OURS.values()]


@pytest.mark.parametrize("found", SEEDS, ids=[*RELEASED, *OURS])
def test_whole_headers_mean_the_same(found: dict[str, str]) -> None:
    """Undamaged, both ways give the same signature and the same agent."""
    signature = fast(found)
    assert signature is not None
    assert full(found["Signature-Input"], found["Signature"], signature.tag or "") == repr([signature])
    if agent := found.get("Signature-Agent"):
        assert repr(agents_in_full(agent)) == repr(read_agent_field(agent))


INTERESTING = '"\\;=:,()@ \t*-_.aZ09%?+/~\n\0\x7fé'


def damaged(text: str, more: str = INTERESTING) -> Iterator[str]:
    """Every place of a text with every interesting character put in or over, and taken out."""
    for place in range(len(text) + 1):
        for character in more:
            yield text[:place] + character + text[place:]
            yield text[:place] + character + text[place + 1 :]
        yield text[:place] + text[place + 1 :]


@pytest.mark.parametrize("name", ["vestauth", "many"])
def test_one_wrong_character_in_signature_input(name: str) -> None:
    """Wherever a damaged Signature-Input still has the common form, the full parser reads the same."""
    found = (RELEASED | OURS)[name]
    matched = missed = 0
    for text in dict.fromkeys(damaged(found["Signature-Input"])):
        signature = read_common_signature(text, found["Signature"])
        if signature is None:
            missed += 1
        else:
            matched += 1
            assert full(text, found["Signature"], signature.tag or "") == repr([signature])
    assert matched > 1000
    assert missed > 1000


def test_one_wrong_character_in_signature() -> None:
    """The same for the bytes, the bits behind the last whole byte included."""
    found = RELEASED["vestauth"]
    inputs = found["Signature-Input"]
    matched = missed = 0
    for text in dict.fromkeys(damaged(found["Signature"], INTERESTING + string.ascii_letters)):
        signature = read_common_signature(inputs, text)
        if signature is None:
            missed += 1
        else:
            matched += 1
            assert full(inputs, text, "web-bot-auth") == repr([signature])
    assert matched > 1000
    assert missed > 1000


@pytest.mark.parametrize("agent", [f'sig1="{AGENT}"', "sig1=uid.host", '"https://uid.host"', 'a="b";type=x'])
def test_one_wrong_character_in_signature_agent(agent: str) -> None:
    """The same for the agent; what has another form is left to the full parser."""
    for text in dict.fromkeys(damaged(agent)):
        common = read_common_agent(text)
        if common is not None:
            assert repr(agents_in_full(text)) == repr(read_agent_field(text))


PIECES = [
    *(";" + parameter for parameter in stated().split(";")[1:]),
    ";created=0",
    ";created=00",
    ";created=-0",
    ";created=999999999999999",
    ";created=1000000000000000",
    ";created=1.0",
    ';keyid=""',
    f';keyid="{"k" * 256}"',
    f';keyid="{"k" * 257}"',
    f';nonce="{"n" * 512}"',
    f';nonce="{"n" * 513}"',
    ';nonce=""',
    ';nonce="\\""',
    ';alg=""',
    ';tag="web-bot-auth"',
    ';tag=""',
    ' "x" ',
    ' "X"',
    ' "@authority"',
    ' "@signature-params"',
    ' "@signature-params-not"',
    ' "x";key="a\\"b"',
    ' "x";key=""',
    ' "x";sf',
    " " + " ".join(f'"x{number}"' for number in range(63)),
    ", ",
    "sig1=()",
    "  ",
]


@st.composite
def heaps_of_damage(draw: st.DrawFn) -> tuple[str, str, str]:
    """The three headers of some client after several cuts, repetitions, moves and insertions."""
    found = draw(st.sampled_from(SEEDS))
    texts = [found["Signature-Input"], found["Signature"], found.get("Signature-Agent", "")]
    for _ in range(draw(st.integers(0, 3))):
        which = draw(st.sampled_from([0, 0, 0, 1, 2]))
        text = texts[which]
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 30)))
        change = draw(st.sampled_from(["cut", "repeat", "move", "insert", "upper", "piece", "semicolons"]))
        if change == "cut":
            text = text[:start] + text[end:]
        elif change == "repeat":
            text = text[:end] + text[start:]
        elif change == "move":
            text = text[:start] + text[end:] + text[start:end]
        elif change == "insert":
            text = text[:start] + draw(st.text(INTERESTING, max_size=4)) + text[start:]
        elif change == "upper":
            text = text[:start] + text[start:end].upper() + text[end:]
        elif change == "piece":
            text = text[:start] + draw(st.sampled_from(PIECES)) + text[end:]
        else:
            first, *rest = text.split(";")
            text = ";".join([first, *draw(st.permutations(rest))])
        texts[which] = text
    return texts[0], texts[1], texts[2]


@given(heaps_of_damage())
@settings(max_examples=400)
def test_heaps_of_damage(found: tuple[str, str, str]) -> None:
    """However a header is damaged, asking the pattern first changes nothing about the answer."""
    signature_input, signature, agent = found
    common = read_common_signature(signature_input, signature)
    for tag in ("web-bot-auth", "null"):
        if common is not None and common.tag == tag:
            assert full(signature_input, signature, tag) == repr([common])
        elif common is not None:
            assert full(signature_input, signature, tag) == "WRONG_TAG"
    if read_common_agent(agent) is not None:
        assert repr(agents_in_full(agent)) == repr(read_agent_field(agent))


@pytest.mark.parametrize("place", range(len(PIECES)))
def test_every_piece_at_every_parameter(place: int) -> None:
    """Each odd piece, between any two parameters or components and at either end."""
    text = stated('("@authority" "x")')
    places = [0, 1, len(text), *(index for index, character in enumerate(text) if character in "; )")]
    for index in places:
        for end in (index, text.find(";", index + 1) if ";" in text[index + 1 :] else index):
            changed = f"sig1={text[:index]}{PIECES[place]}{text[end:]}"
            found = {"Signature-Input": changed, "Signature": RELEASED["vestauth"]["Signature"]}
            common = fast(found)
            if common is not None:
                assert full(changed, found["Signature"], common.tag or "") == repr([common])


_TWICE = '("x" "x")'
_MANY = "(" + " ".join(f'"x{number}"' for number in range(65)) + ")"
LEFT_TO_THE_PARSER = {
    "labels differ": (f"sig2={stated()}", None),
    "two labels": (f"sig1={stated()}, sig2={stated()}", None),
    "a component twice": (f"sig1={stated(_TWICE)}", None),
    "65 components": (f"sig1={stated(_MANY)}", None),
    "no keyid": (f"sig1={stated(keyid=None)}", None),
    "an escape": ("sig1=" + stated(nonce='"\\\\"'), None),
    "another length": (None, "sig1=:YQ==:"),
    "stray bits": (None, RELEASED["vestauth"]["Signature"].replace("w==:", "x==:")),
    "no padding": (None, RELEASED["vestauth"]["Signature"].replace("==:", ":")),
}


@pytest.mark.parametrize("name", LEFT_TO_THE_PARSER)
def test_left_to_the_parser(name: str) -> None:
    """What only the full parser can judge is not matched; asked through the door, the answer is the parser's."""
    whole = RELEASED["vestauth"]
    changed = LEFT_TO_THE_PARSER[name]
    signature_input, signature = changed[0] or whole["Signature-Input"], changed[1] or whole["Signature"]
    assert (signature_input, signature) != (whole["Signature-Input"], whole["Signature"])
    assert read_common_signature(signature_input, signature) is None
    request = Request.of("GET", URL, [("Signature-Input", signature_input), ("Signature", signature)])
    try:
        answer = repr(parse(request, {"web-bot-auth"}))
    except SignatureError as error:
        answer = error.reason
    assert answer == full(signature_input, signature, "web-bot-auth")


def test_sixty_four_components_are_common() -> None:
    """As many as are accepted at all; and agents that are none are the parser's to refuse."""
    text = stated("(" + " ".join(f'"x{number}"' for number in range(64)) + ")")
    assert fast(_hand_written(text)) is not None
    with pytest.raises(InvalidSignatureAgent):
        read_agent_field("sig1=1")
    assert isinstance(
        parse_in_full(f"sig1={stated('(1)')}", "sig1=:YQ==:", {"web-bot-auth"})[0], MalformedSignature
    )
