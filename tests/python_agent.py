"""An agent in Python, made with the public signature code alone: registers, signs, rotates."""

import time
from dataclasses import dataclass, field

from live_stack import Answer, ask
from vestry_signatures import PrivateKey, Request, generate, sign


@dataclass
class PythonAgent:
    """An agent of the registrar at `base`.

    Attributes:
        base: the base URL.
        key: its key now.
        uid: its uid once it is registered.
    """

    base: str
    key: PrivateKey = field(default_factory=generate)
    uid: str = ""

    @property
    def url(self) -> str:
        """Its agent URL."""
        scheme, _, authority = self.base.partition("://")
        return f"{scheme}://{self.uid}.{authority}"

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Sign a request as the IETF profile asks."""
        request = Request.of(method, url, [])
        return sign(request, self.key, created=int(time.time()), agent_url=self.url if self.uid else None)

    def register(self) -> Answer:
        url = f"{self.base}/register"
        answer = ask(url, {"public_jwk": self.key.public.jwk}, self.headers("POST", url))
        self.uid = answer.facts["uid"]
        return answer

    def rotate(self) -> Answer:
        """Rotate to a new key, which is kept only if the registrar took it."""
        new, url = generate(), f"{self.base}/rotate"
        answer = ask(url, {"public_jwk": new.public.jwk}, self.headers("POST", url))
        if answer.status == 200:
            self.key = new
        return answer

    def whoami(self) -> Answer:
        url = f"{self.base}/whoami"
        return ask(url, headers=self.headers("GET", url))
