"""What an agent does that never heard whether its rotation happened, as docs/agents.md tells it."""

from dataclasses import replace

from live_stack import LiveStack, ask
from python_agent import PythonAgent
from vestry_signatures import generate


def _rotate_to(agent: PythonAgent, new: PythonAgent) -> int:
    url = f"{agent.base}/rotate"
    return ask(url, {"public_jwk": new.key.public.jwk}, agent.headers("POST", url)).status


def test_both_keys_tell_whether_a_rotation_happened(stack: LiveStack) -> None:
    """Before it the new key is unknown and the old one works; after it the new one works and the old one is dead."""
    old = PythonAgent(stack.base)
    old.register()
    new = replace(old, key=generate())
    assert (new.whoami().reason, old.whoami().status) == ("UNKNOWN_KEY", 200)
    assert _rotate_to(old, new) == 200  # suppose that this answer is lost
    assert (new.whoami().status, old.whoami().reason) == (200, "REVOKED_KEY")


def test_a_rotation_that_was_asked_for_twice_changes_nothing(stack: LiveStack) -> None:
    """Asking again for what has happened already is refused, and the new key stays in use."""
    old = PythonAgent(stack.base)
    old.register()
    new = replace(old, key=generate())
    assert [_rotate_to(old, new), _rotate_to(old, new), _rotate_to(new, new)] == [200, 401, 409]
    assert new.whoami().status == 200
