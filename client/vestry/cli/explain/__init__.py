"""`vestry explain`: why would a request be refused?

command.py   the command: where the request comes from, whom it asks, which code it ends with
saved.py     a request that was saved: as HTTP, as JSON, or as a line of curl
words.py     a command line as a shell splits it
curl.py      what a line of curl would send
switches.py  the switches of curl
report.py    what it prints for people
"""

from vestry.cli.explain.command import explain

__all__ = ["explain"]
