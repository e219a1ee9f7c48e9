"""What is measured, against whom, side by side in one run. `make bench` writes the table in bench/README.md.

    core.py      the signature core against the Ed25519 check inside it
    load.py      a load of prepared HTTP requests over a few connections
    traffic.py   the requests: signed beforehand, each for one use
    stacks.py    the servers, each alone on one core, the stores and the load on the other
    audit.py     registration with and without its audit event (untold.py)
    services.py  /verify against a peer's /whoami and a bare aiohttp handler
    report.py    ratios of the slices of one round, their median and spread

Machines are noisy, so nothing here is a time: two things are measured in slices that alternate, and what
counts is the ratio within a round.
"""
