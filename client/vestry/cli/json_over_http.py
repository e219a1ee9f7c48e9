"""JSON over HTTP, with nothing but the standard library.

What is sent goes to the one URL that was named: redirects are not followed and no proxy is used, since either would
hand a token to somebody else.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException
from typing import IO, Any, Final

import click

SECONDS: Final = 30
ABOUT_THE_TOKEN: Final = frozenset({"TOKEN_REQUIRED", "TOOL_UNAUTHORIZED"})
"""Reasons whose message tells of a header, which nobody writes who has a command line."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Let a redirect be the error that it is here."""


class JsonOverHttp:
    """Calls one service.

    Args:
        url: where it answers.
        token: for `Authorization: Bearer`, or None.
        service: what it is, in words: `a registrar`.
        option: the option of the command line that names the URL.
        token_option: how the command line names a token.
    """

    def __init__(self, url: str, token: str | None, service: str, option: str, token_option: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise click.BadParameter("must begin with http:// or https://", param_hint=option)
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._service = service
        self._option = option
        self._token_option = token_option
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)

    def call(self, method: str, path: str, facts: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request, with a body where there are facts, and return the answer. Raises ClickException."""
        body = None if facts is None else json.dumps(facts).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at above
            self._url + path, body, self._headers, method=method
        )
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise click.ClickException(self._message(refusal)) from None
        except urllib.error.URLError as error:
            raise click.ClickException(
                f"{self._url} cannot be reached: {error.reason}. Where {self._service} runs, say by {self._option}"
            ) from None
        except (OSError, ValueError, HTTPException):
            raise click.ClickException(f"{self._url} does not answer as {self._service} does") from None

    def _message(self, refusal: urllib.error.HTTPError) -> str:
        try:
            error = json.load(refusal)["error"]
            if error.get("reason") in ABOUT_THE_TOKEN:
                return self._about_the_token(error["reason"])
            return str(error["message"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return (
                f"the answer is {refusal.code}, and not one of {self._service}'s internal port: "
                f"check {self._option}"
            )

    def _about_the_token(self, reason: str) -> str:
        shown = "Authorization" in self._headers
        fault = "the token that was shown does not count here" if shown else f"{self._service} wants a token"
        return f"[{reason}] {fault}: say which by {self._token_option}"
