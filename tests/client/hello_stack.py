"""`vestry up` with two hello services in the place of the real ones: `hello_stack.py JOURNAL [--with-parent]`."""

import os
import sys
from pathlib import Path

from vestry.cli.up import run_stack
from vestry.stack.plan import Role

journal, *flags = sys.argv[1:]
hello = str(Path(__file__).with_name("hello_service.py"))
roles = [
    Role(
        "registrar", (sys.executable, hello, "registrar", "PORT", "INTERNAL_PORT", journal), "INTERNAL_PORT"
    ),
    Role(
        "verifier",
        (sys.executable, hello, "verifier", "VERIFIER_PORT", "VERIFIER_INTERNAL_PORT", journal),
        "VERIFIER_INTERNAL_PORT",
        frozenset({"DATABASE_URL"}),
    ),
]
sys.exit(run_stack(os.environ, with_parent="--with-parent" in flags, roles=roles))
