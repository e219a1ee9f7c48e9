"""What is said when everything is up: where it is, and three commands to try."""

from vestry.stack.settings import StackSettings


def greeting(settings: StackSettings) -> str:
    """The text for the person at the terminal."""
    base = str(settings.public)
    ports = settings.ports
    verifier = f"http://localhost:{ports['VERIFIER_PORT']}"
    internal = f"http://{settings.internal_host}"
    whoami = f"{base}/whoami"
    headers = f"$(npx vestauth agent headers GET {whoami})"
    question = f'{{\\"method\\": \\"GET\\", \\"url\\": \\"{whoami}\\", \\"headers\\": {headers}}}'
    return f"""
vestry is up.

  registrar  {base}   (internal: {internal}:{ports["INTERNAL_PORT"]}/metrics)
  verifier   {verifier}   (internal: {internal}:{ports["VERIFIER_INTERNAL_PORT"]}/metrics)
{_stores(settings)}
Try in another terminal: become an agent, ask who you are, let a tool ask who signed.

  npx vestauth agent init --hostname {base}
  npx vestauth agent curl {whoami}
  curl {verifier}/verify -H 'Content-Type: application/json' -d "{question}"

Ctrl-C stops everything.
"""


def _stores(settings: StackSettings) -> str:
    own = [
        *(["Postgres"] if settings.own_database else []),
        *(["Valkey"] if settings.own_redis else []),
    ]
    return f"  data       {settings.data_dir.absolute()}   ({' and '.join(own)})\n" if own else ""
