"""Keys of whoever signs: ours from the registrar, foreign ones from their own directories."""

from vestry_service.trust import Signer
from vestry_signatures.keys import PublicKey
from vestry_verifier.foreign.keys import ForeignKeys
from vestry_verifier.key_cache import KeyCache


class EverybodysKeys:
    """`Keys` of our own agents and of foreign ones."""

    def __init__(self, own: KeyCache, foreign: ForeignKeys) -> None:
        self._own = own
        self._foreign = foreign

    async def find(self, signer: Signer, kid: str) -> PublicKey:
        return await (self._foreign if signer.foreign else self._own).find(signer, kid)

    def holds(self, signer: Signer, kid: str) -> bool:
        """Tell whether this process has a key of ours at hand; a foreign one stands by its directory alone."""
        return not signer.foreign and self._own.holds(signer, kid)

    def at_hand(self, signer: Signer, kid: str) -> PublicKey | None:
        return None if signer.foreign else self._own.at_hand(signer, kid)

    async def ask(self, signer: Signer, kid: str) -> object:
        return await (self._foreign.find if signer.foreign else self._own.ask)(signer, kid)
