"""What an explanation says where replicas must hold a nonce first."""

from services import asked, running
from topologies import Watched
from vestry_verifier.explain.sentences import OF_REPLICAS


async def test_too_few_replicas_are_explained(own_pair: Watched, database_url: str) -> None:
    """Where `/verify` says 503 for want of replicas an explanation does too, and says what would help."""
    with running(database_url, own_pair.primary.url) as services:
        agent = await services.agent()
        signed = agent.sign()
        with services.another_verifier(NONCE_REPLICAS="2") as verifier:
            told = (await services.explain(asked(signed), verifier)).json
            assert (told["status"], told["reason"], told["hint"]) == (
                503,
                "REPLAY_STORE_UNAVAILABLE",
                OF_REPLICAS,
            )
            assert (await services.verify(signed, verifier=verifier)).verdict == (503, told["reason"])
        with services.another_verifier(NONCE_REPLICAS="1") as verifier:
            signed = agent.sign()
            assert (await services.explain(asked(signed), verifier)).json["outcome"] == "verified"
            assert (await services.verify(signed, verifier=verifier)).status == 200
