"""Lists of agents: an entry means whom it says, and nobody who only looks alike."""

import pytest

from vestry_service.trust import Signer
from vestry_verifier.agent_list import AgentList, agent_list, read_entry

UID = "agent-0123456789abcdef01234567"


def listed(*entries: str) -> AgentList:
    return agent_list([read_entry(entry) for entry in entries])


def ours(uid: str = UID) -> Signer:
    return Signer(uid, f"https://{uid}.agents.example", "")


def foreign(uid: str) -> Signer:
    return Signer(uid, f"https://{uid}", "", foreign=True)


@pytest.mark.parametrize("entry", [UID, UID.upper()])
def test_ours(entry: str) -> None:
    """By the uid in any case, and only ours."""
    found = listed(entry)
    assert (found.allows(ours()), found.denies(ours())) == (True, True)
    assert not found.allows(ours(UID[:-1] + "8"))
    assert not found.denies(foreign(UID))


@pytest.mark.parametrize("entry", ["*", "*.agents.example", "agents.example"])
def test_a_host_means_foreign_agents(entry: str) -> None:
    """No pattern of hosts, not even all of them, means one of ours."""
    found = listed(entry)
    assert not found.allows(ours())
    assert not found.denies(ours())


def test_who_is_at_a_path_is_not_the_host() -> None:
    """On a host that many share, allowing the host is not allowing everybody; denying it is denying everybody."""
    found = listed("shared.example")
    assert (found.allows(foreign("shared.example")), found.denies(foreign("shared.example"))) == (True, True)
    someone = foreign("shared.example/someone.json")
    assert (found.allows(someone), found.denies(someone)) == (False, True)


def test_an_agent_at_a_path() -> None:
    """By the whole of it."""
    found = listed("Shared.Example:443/team/Keys.json")
    assert found.allows(foreign("shared.example/team/Keys.json"))
    assert found.denies(foreign("shared.example/team/Keys.json"))
    for other in ("shared.example/team/keys.json", "shared.example", "evil.example/team/Keys.json"):
        assert not found.allows(foreign(other))
        assert not found.denies(foreign(other))


@pytest.mark.parametrize(
    ("entry", "uid"),
    [
        ("shared.example/%7eteam/Keys.json", "shared.example/~team/Keys.json"),
        ("shared.example/%c3%a9", "shared.example/%C3%A9"),
        ("shared.example/a/../team/./keys", "shared.example/team/keys"),
        ("shared.example/.well-known/http-message-signatures-directory", "shared.example"),
        ("[2001:0DB8:0::1]:8443", "[2001:db8::1]:8443"),
        ("[2001:0DB8:0::1]/keys", "[2001:db8::1]/keys"),
    ],
)
def test_the_spelling_of_an_entry_is_that_of_uids(entry: str, uid: str) -> None:
    """An entry in another spelling than the one that is compared would forbid nothing."""
    assert listed(entry).denies(foreign(uid))
    assert listed(entry).allows(foreign(uid))


@pytest.mark.parametrize("path", ["x.bots.example", "bots.example", "a/.bots.example"])
def test_a_path_is_no_host(path: str) -> None:
    """What stands at the end of a path that a stranger chose is no name of a host."""
    found = listed("*.bots.example", "bots.example")
    assert not found.allows(foreign(f"evil.example/{path}"))
    assert not found.denies(foreign(f"evil.example/{path}"))


@pytest.mark.parametrize(
    "entry",
    [
        "host/",
        "host//x",
        "host/x?y",
        "host/x?",
        "host/.",
        "host/x/..",
        "host/%zz",
        "[::g]",
        "host/x#y",
        "host/x y",
        "host/\u00fc",
        "*.host/x",
        "https://host/x",
        "/x",
    ],
)
def test_no_entry(entry: str) -> None:
    """What could never match, or be read in two ways."""
    with pytest.raises(ValueError, match="must be"):
        read_entry(entry)
