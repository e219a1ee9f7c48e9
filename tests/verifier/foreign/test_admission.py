"""Which hosts a pattern means: whole ones, in linear time."""

import time

import pytest

from vestry_verifier.foreign.admission import HostRegex

BOT = HostRegex(r"bot\.example|.*\.agents\.example(:8443)?")


@pytest.mark.parametrize("host", ["bot.example", "a.agents.example", "a.b.agents.example:8443"])
def test_whole_hosts_that_are_meant(host: str) -> None:
    """A host that the pattern describes from end to end is believed."""
    assert BOT.matches(host)


@pytest.mark.parametrize(
    "host",
    [
        "bot.example.evil.example",
        "evil-bot.example",
        "bot.example:8443",
        "bot.example\n",
        "botXexample",
        "agents.example",
        "a.agents.example:84430",
        "a.agents.example.evil.example",
        "",
    ],
)
def test_hosts_that_only_look_like_it(host: str) -> None:
    """Neither a suffix nor a prefix nor another port makes a host the one that is meant; each branch is whole."""
    assert not BOT.matches(host)


def test_letter_case_of_the_pattern() -> None:
    """Hosts come in lowercase; a pattern may be written as its owner writes his name."""
    assert HostRegex(r"Bot\.Example").matches("bot.example")


@pytest.mark.parametrize("text", ["(", "a{2,1}", r"(a)\1", "(?=a)a", "(?<!x)a", "*", "a" * 5000])
def test_patterns_that_are_refused(text: str) -> None:
    """What RE2 does not take, back references and look-around among it, is refused with a sentence."""
    with pytest.raises(ValueError, match="must"):
        HostRegex(text)


@pytest.mark.parametrize("text", ["(a+)+b", "(a|a)*b", "(.*.*.*.*)*x", "(a?){40}a{40}b"])
def test_time_is_linear(text: str) -> None:
    """Patterns that stop a backtracking matcher for longer than anybody waits are matched at once."""
    pattern = HostRegex(text)
    started = time.process_time()
    for _ in range(20):
        assert not pattern.matches("a" * 250)
    assert time.process_time() - started < 0.5
