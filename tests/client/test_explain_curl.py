"""A line of curl, read without sending it: what is asked about is what curl itself sends."""

import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vestry.cli.explain.curl import request_of
from vestry.cli.explain.received import Received
from vestry.cli.explain.saved import of_curl, read
from vestry.cli.explain.words import words_of

LINES = [
    r"""curl https://a.example/b""",
    r"""curl 'one two'three"four \"five\" \$six \\ \n" seven\ eight\'""",
    r"""curl $'a\'b\n\t\\ \u00e9\x41\101\e\q' 'c'""",
    "curl 'https://a.example/' \\\n  -H 'accept: */*' \\\r\n  --compressed",
    "curl 'several\nlines' \"and \\\ngone\" ''",
]
SENT = [
    ["/plain"],
    ["/head", "-I"],
    ["/post", "-d", "a=1", "--data", "b=2"],
    ["/raw", "--data-raw", "@not-a-file", "-X", "PUT"],
    ["/file", "-d", "@body.txt", "-H", "Content-Type: text/plain"],
    ["/binary", "--data-binary", "@body.txt"],
    ["/get?x=1", "-G", "-d", "a=1", "--data-urlencode", "b=c d&e"],
    ["/encode", "--data-urlencode", "=a b", "--data-urlencode", "c/d", "--data-urlencode", "f@body.txt"],
    ["/json", "--json", '{"a":1}', "-H", "Accept: text/html"],
    ["/user", "-u", "me:secret", "-e", "https://from.example/", "-b", "a=1; b=2", "-r", "0-9"],
    ["/headers", "-HX-One: 1", "-H", "X-Two: a", "-H", "X-Two: b", "-H", "X-Empty;", "-H", "Accept:"],
    ["/host", "-H", "Host: other.example"],
    ["/joined", "-sSLXDELETE", "-Aagent", "-m5"],
    ["/a/./b/../c//d?e=../f#gone"],
    ["/a/../b", "--path-as-is"],
    ["/upload", "-T", "body.txt"],
    ["", "-s"],
    ["?only=query", "-s"],
]
UNKNOWN = {"user-agent", "expect", "connection"}
"""Headers of curl that depend on its version, and are left out unless they are given."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a file with a body lies."""
    (tmp_path / "body.txt").write_bytes(b"one\r\ntwo & three\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def listener() -> Iterator[tuple[str, list[Received]]]:
    """A server that writes down what it is sent."""
    got: list[Received] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> object:
            if name.startswith("do_"):
                return self._take
            raise AttributeError(name)

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            got.append(Received(self.command, self.path, self.headers.items(), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", got
        server.shutdown()


@pytest.mark.parametrize("line", LINES)
def test_words_are_those_of_a_shell(line: str) -> None:
    """A line is split as bash splits it."""
    script = f'printf "%s\\0" {line.removeprefix("curl")}'.replace("\r\n", "\n")
    ran = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert words_of(line)[1:] == ran.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("line", ["curl 'a", 'curl "a', "curl $'a\\'", "curl a\\"])
def test_a_quote_that_is_not_closed(line: str) -> None:
    """It is said, and not guessed."""
    with pytest.raises(ValueError, match="not closed"):
        words_of(line)


@pytest.mark.parametrize("arguments", SENT, ids=lambda each: each[0] or "bare")
def test_what_is_asked_about_is_what_curl_sends(
    listener: tuple[str, list[Received]], folder: Path, arguments: list[str]
) -> None:
    """Method, URL, headers line by line and body, but for what depends on curl's version."""
    if shutil.which("curl") is None:
        assert "CI" not in os.environ, "curl is not installed"
        pytest.skip("curl is not installed")
    host, got = listener
    path, *switches = arguments
    subprocess.run(
        ["curl", "-q", "-s", "-o", "out", *switches, host + path], cwd=folder, check=True, timeout=20
    )
    [sent] = got
    read_here = request_of([*switches, host + path])
    assert not read_here.warnings
    assert (read_here.method, read_here.url) == (sent.method, f"http://{host}{sent.url}")
    assert read_here.body == sent.body
    given = {name.lower() for name, _ in read_here.headers}
    unknown = UNKNOWN - given
    theirs = sorted((name.lower(), value) for name, value in sent.headers if name.lower() not in unknown)
    assert sorted((name.lower(), value) for name, value in read_here.headers) == theirs


def test_what_a_browser_copies() -> None:
    """The form in which browsers copy a request."""
    line = (
        "curl 'https://tool.example/inbox?page=2' \\\n  -H 'accept: application/json' \\\n"
        "  -b 'session=1' \\\n  -H 'signature-input: sig1=(\"@authority\");created=1' \\\n"
        "  -H $'x-name: Andr\\u00e9\\'s' \\\n  --data-raw $'{\"a\":\"\\u0021\"}' \\\n  --compressed ;"
    )
    question, warnings = read(line.removesuffix(" ;").encode(), None)
    assert (question["method"], question["url"]) == ("POST", "https://tool.example/inbox?page=2")
    assert question["headers"]["signature-input"] == ['sig1=("@authority");created=1']
    assert question["headers"]["x-name"] == ["André's"]
    assert question["headers"]["cookie"] == ["session=1"]
    assert question["body"] == "eyJhIjoiISJ9"
    assert len(warnings) == 1


def test_what_is_not_known_is_said() -> None:
    """A switch that nobody knows, a second URL and a form are noted, and what is known is asked."""
    words = ["--wonder", "-%", "http://a.example", "http://b.example", "-F", "file=@x", "-b", "jar.txt"]
    question, warnings = of_curl(words)
    assert question["url"] == "http://a.example/"
    assert "body" not in question
    assert "--wonder is not known here and is ignored" in warnings
    assert len(warnings) == 5


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"curl -H", "-H needs a value"),
        (b"curl --data", "--data needs a value"),
        (b"curl -s", "names no URL"),
        (b'curl ^"https://a.example/^" ^', "bash"),
    ],
)
def test_a_line_that_sends_nothing(line: bytes, said: str) -> None:
    """It is said why."""
    with pytest.raises(ValueError, match=said):
        read(line, None)
