"""What a line of curl would send (https://curl.se/docs/manpage.html), without sending it.

Headers that curl adds by itself are added here too, for a signature may cover them: `Host`, `Accept`, and with a body
`Content-Type` and `Content-Length`. Its `User-Agent` holds a version that nobody here knows, and is left out.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

from vestry.cli.explain.received import Received
from vestry.cli.explain.switches import Switch, switches_of

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_URL: Final = re.compile(
    r"(?P<scheme>[^:/?#]+)://(?:(?P<user>[^/?#]*)@)?(?P<host>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?"
)
FORM: Final = "application/x-www-form-urlencoded"


@dataclass
class _Command:
    """What the switches said so far."""

    method: str | None = None
    urls: list[str] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    unwanted: set[str] = field(default_factory=set)
    data: bytes | None = None
    uploaded: bytes | None = None
    query: list[str] = field(default_factory=list)
    user: str | None = None
    is_json: bool = False
    is_head: bool = False
    is_get: bool = False
    is_form: bool = False
    path_as_is: bool = False
    compressed: bool = False
    warnings: list[str] = field(default_factory=list)


def request_of(words: Sequence[str]) -> Received:
    """Say what a line of curl sends.

    Args:
        words: the words behind `curl`.

    Raises:
        ValueError: it is none that sends one request.
        OSError: a file that it names cannot be read.
    """
    command = _Command()
    for switch in switches_of(words, command.warnings):
        _take(command, switch)
    if not command.urls:
        raise ValueError("the curl command names no URL")
    if len(command.urls) > 1:
        command.warnings.append("it names several URLs: the first is taken")
    return _received(command)


def _take(command: _Command, switch: Switch) -> None:
    name, value = switch
    if name in {"", "url"}:
        command.urls.append(value)
    elif name == "header":
        _take_header(command, value)
    elif name == "request":
        command.method = value
    elif name == "url-query":
        command.query.append(value.removeprefix("+") if value.startswith("+") else _encoded(value))
    elif name.startswith("data") or name == "json":
        _take_data(command, name, value)
    elif name == "upload-file":
        command.uploaded = Path(value).read_bytes()
    elif name == "user":
        command.user = value
    else:
        _take_rest(command, name, value)


def _take_rest(command: _Command, name: str, value: str) -> None:
    fields = {"user-agent": "User-Agent", "referer": "Referer", "cookie": "Cookie"}
    if name == "cookie" and "=" not in value:
        command.warnings.append("the cookies of a file are left out")
    elif name in fields:
        command.headers.append((fields[name], value))
    elif name == "range":
        command.headers.append(("Range", f"bytes={value}"))
    command.is_head |= name == "head"
    command.is_get |= name == "get"
    command.is_form |= name == "form"
    command.path_as_is |= name == "path-as-is"
    command.compressed |= name == "compressed"


def _take_header(command: _Command, line: str) -> None:
    if line.startswith("@"):
        for each in Path(line[1:]).read_text("utf-8").splitlines():
            if each.strip():
                _take_header(command, each)
        return
    name, colon, value = line.partition(":")
    if not colon:
        if line.endswith(";"):
            command.headers.append((line[:-1].strip(), ""))
        return
    if value.strip():
        command.headers.append((name.strip(), value.strip()))
    else:
        command.unwanted.add(name.strip().lower())


def _take_data(command: _Command, name: str, value: str) -> None:
    if name == "data-urlencode":
        data = _encoded(value).encode()
    elif value.startswith("@") and name != "data-raw":
        data = Path(value[1:]).read_bytes()
        if name in {"data", "data-ascii"}:
            data = re.sub(rb"[\r\n\0]", b"", data)
    else:
        data = value.encode("utf-8", "surrogateescape")
    command.is_json |= name == "json"
    join = b"" if name == "json" else b"&"
    command.data = data if command.data is None else command.data + join + data


def _encoded(value: str) -> str:
    """Encode `content`, `=content`, `name=content`, `@file` or `name@file`."""
    found = re.match(r"([^=@]*)([=@])", value)
    if found is None:
        return quote_plus(value)
    content = value[found.end() :]
    text = Path(content).read_bytes() if found[2] == "@" else content.encode()
    return f"{found[1]}={quote_plus(text)}" if found[1] else quote_plus(text)


def _received(command: _Command) -> Received:
    body = command.data if command.uploaded is None else command.uploaded
    if command.is_get and command.data is not None:
        command.query.append(command.data.decode("utf-8", "surrogateescape"))
        body = None
    url, host, user = _url(command)
    method = command.method or _method(command, body)
    if command.is_form:
        command.warnings.append("the body of a form with files is not known: curl chooses its boundary")
    sent_body = None if command.is_form else body or b""
    return Received(method, url, _headers(command, host, user, body), sent_body, command.warnings)


def _method(command: _Command, body: bytes | None) -> str:
    if command.is_head:
        return "HEAD"
    if command.uploaded is not None:
        return "PUT"
    return "POST" if body is not None or command.is_form else "GET"


def _headers(command: _Command, host: str, user: str | None, body: bytes | None) -> list[tuple[str, str]]:
    user = command.user or user
    added = [("Host", host), ("Accept", "application/json" if command.is_json else "*/*")]
    if user is not None:
        added.append(("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}"))
    if command.compressed:
        command.warnings.append("Accept-Encoding is left out: what curl sends depends on how it was built")
    if body is not None and command.uploaded is None:
        added.append(("Content-Type", "application/json" if command.is_json else FORM))
    if body is not None:
        added.append(("Content-Length", str(len(body))))
    given = {name.lower() for name, _ in command.headers} | command.unwanted
    return [each for each in added if each[0].lower() not in given] + command.headers


def _url(command: _Command) -> tuple[str, str, str | None]:
    """Return the URL as it is called, its host, and a user that is named in it."""
    text = command.urls[0]
    found = _URL.match(text if _SCHEME.match(text) else f"http://{text}")
    if found is None:
        raise ValueError("the curl command names no URL")
    path = found["path"] or "/"
    if not command.path_as_is:
        path = _without_dots(path)
    query = "&".join([*filter(None, [(found["query"] or "")[1:]]), *command.query])
    asked = f"?{query}" if query or found["query"] is not None else ""
    return f"{found['scheme']}://{found['host']}{path}{asked}", found["host"], found["user"]


def _without_dots(path: str) -> str:
    """Resolve dot segments, as curl does unless it is told --path-as-is (RFC 3986 section 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1:] and segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
