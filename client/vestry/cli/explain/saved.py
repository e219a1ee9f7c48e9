"""A request that somebody saved: as HTTP, as the JSON that `/verify` takes, or as a line of curl."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from vestry.cli.explain.curl import request_of
from vestry.cli.explain.received import Received
from vestry.cli.explain.words import words_of

CURL: Final = re.compile(r"(?:\$\s+)?(?:\S*/)?curl(?:\.exe)?", re.ASCII)
_REQUEST_LINE: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+)(?: HTTP/[0-9.]+)?", re.ASCII)
_HERE: Final = re.compile(r"(?:localhost|[^:]+\.localhost|127\.[0-9.]+|\[::1\])(?::[0-9]+)?", re.ASCII)
Question = dict[str, Any]


def read(data: bytes, scheme: str | None) -> tuple[Question, list[str]]:
    """Read a saved request.

    Args:
        data: the bytes that were saved.
        scheme: of a request in HTTP, which does not say it; None for http on this machine and https elsewhere.

    Returns:
        The question to ask, and what had to be guessed or left out.

    Raises:
        ValueError: it is none of the forms.
        OSError: a file that a line of curl names cannot be read.
    """
    start = data.lstrip()
    if start.startswith(b"{"):
        return _json(start), []
    text = start.split(b"\n", 1)[0].decode("utf-8", "replace").split(" ")
    found = _curl(data) if CURL.fullmatch(text[0]) or text[:2] == ["$", "curl"] else _http(start, scheme)
    return found.question(), found.warnings


def of_curl(words: Sequence[str]) -> tuple[Question, list[str]]:
    """Read the words of a line of curl. Raises as `read` does."""
    found = request_of(words)
    return found.question(), found.warnings


def _json(data: bytes) -> Question:
    try:
        asked = json.loads(data)
    except ValueError as error:
        raise ValueError(f"the request begins like JSON, and is none: {error}") from None
    if not isinstance(asked, dict):
        raise ValueError("the request must be one JSON object")
    return asked


def _curl(data: bytes) -> Received:
    words = words_of(data.decode("utf-8", "surrogateescape").strip())
    if words[0] == "$":
        words = words[1:]
    if "^" in words:
        raise ValueError("this is for the shell of Windows: copy it as cURL (bash)")
    return request_of(words[1:])


def _http(data: bytes, scheme: str | None) -> Received:
    head, blank, body = _parted(data)
    first, *lines = head.split("\n")
    found = _REQUEST_LINE.fullmatch(first.strip())
    if found is None:
        raise ValueError("this is no request: neither HTTP (GET / HTTP/1.1 …), nor JSON, nor a line of curl")
    headers = _headers(lines)
    warnings: list[str] = []
    url = _url(found[2], headers, scheme, warnings)
    known = _body(body, headers, warnings) if blank else None
    return Received(found[1], url, headers, known, warnings)


def _parted(data: bytes) -> tuple[str, bool, bytes]:
    """Part head and body at the first empty line."""
    found = re.search(rb"\r?\n\r?\n", data)
    head = data if found is None else data[: found.start()]
    body = b"" if found is None else data[found.end() :]
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    return text.replace("\r\n", "\n").strip("\n"), found is not None, body


def _headers(lines: Sequence[str]) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if line[:1] in {" ", "\t"} and headers:  # obsolete line folding, RFC 9112 section 5.2
            headers[-1] = headers[-1][0], f"{headers[-1][1]} {line.strip()}"
        elif not colon or not name.strip():
            raise ValueError(f"line {lines.index(line) + 2} of the request is no header")
        else:
            headers.append((name, value.strip()))
    return headers


def _url(target: str, headers: Sequence[tuple[str, str]], scheme: str | None, warnings: list[str]) -> str:
    if "://" in target.split("?")[0]:
        return target
    host = next((value for name, value in headers if name.lower() == "host"), None)
    if host is None:
        raise ValueError("the request has no Host header, so its URL is not known")
    if scheme is None:
        scheme = "http" if _HERE.fullmatch(host) else "https"
        warnings.append(
            f"the request does not say whether it was http or https: {scheme} is taken (--scheme)"
        )
    return f"{scheme}://{host}{target}"


def _body(body: bytes, headers: Sequence[tuple[str, str]], warnings: list[str]) -> bytes | None:
    """Find the body: an editor may have put a line break behind it, which the length tells."""
    named = {name.lower(): value for name, value in headers}
    if "transfer-encoding" in named:
        warnings.append("the body was sent in chunks and is left out")
        return None
    length = named.get("content-length", "")
    return body[: int(length)] if length.isdecimal() and length.isascii() else body
