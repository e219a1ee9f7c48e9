"""What a foreign host answers, read with suspicion: its header fields and its body.

1. Names of fields have no case, and the lines of one field are one value (RFC 9110 section 5.3).
2. The body is taken as it comes, without a content coding, since a few coded bytes can stand for very many; it is
   counted while it arrives, to 64 KiB.
"""

from typing import Final

from aiohttp import ClientResponse
from multidict import CIMultiDict, CIMultiDictProxy

MAX_BODY: Final = 64 * 1024


BUSY: Final = "busy"
"""The result where nobody was asked, since there was no place to ask from."""


GONE: Final = "gone"
"""The result where the host answered that there is no directory: 404 or 410."""


class FetchFailed(Exception):
    """No directory was had. `result` says why in a word, for the metrics; nothing of the answer is repeated."""

    def __init__(self, result: str) -> None:
        super().__init__(f"the directory was not fetched: {result}")
        self.result = result


def joined(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Join the lines of each field (1)."""
    names = {name.lower() for name in headers}
    return CIMultiDict((name, ", ".join(headers.getall(name))) for name in names)


async def read_body(response: ClientResponse) -> bytes:
    """Read a body, counting (2). Raises FetchFailed where it is coded or too long."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FetchFailed("coded")
    if (response.content_length or 0) > MAX_BODY:
        raise FetchFailed("too_large")
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_BODY:
            raise FetchFailed("too_large")
        parts.append(part)
    return b"".join(parts)
