"""What outlives a restart of the whole stack on the same DATA_DIR."""

from dataclasses import replace
from pathlib import Path

from live_stack import LiveStack, live_stack
from python_agent import PythonAgent

TOOL = "https://tool.example/"


def _stopped_well(stack: LiveStack) -> None:
    assert stack.stop() == 0, stack.said()


def test_agents_rotations_and_spent_signatures_outlive_a_restart(tmp_path: Path) -> None:
    """After a restart an agent still works, its old key is still dead, and a used signature is still a replay."""
    with live_stack(tmp_path / "data", tmp_path / "first") as stack:
        agent = PythonAgent(stack.base)
        assert agent.register().status == 200
        old = replace(agent)
        assert agent.rotate().status == 200
        used = agent.headers("GET", TOOL)
        assert stack.verify("GET", TOOL, used).status == 200
        _stopped_well(stack)
    with live_stack(tmp_path / "data", tmp_path / "second", stack.ports) as stack:
        assert agent.whoami().facts["uid"] == agent.uid
        assert stack.verify("GET", TOOL, used).reason == "REPLAYED_NONCE"
        answer = stack.verify("GET", TOOL, agent.headers("GET", TOOL))
        assert (answer.status, answer.facts["uid"], answer.facts["profile"]) == (
            200,
            agent.uid,
            "web-bot-auth",
        )
        assert stack.verify("GET", TOOL, old.headers("GET", TOOL)).reason == "REVOKED_KEY"
        keys = stack.directory(agent.uid).facts["keys"]
        assert [key["kid"] for key in keys] == [agent.key.public.kid]
        _stopped_well(stack)
