"""What is measured, against whom, side by side in one run. `make bench` writes the table in bench/README.md.

    figures.py    samples, ratios, percentiles
    report.py     rows, goals, the table; again.py makes a disturbed measurement again
    stacks.py     the servers, each alone on one core, the stores and the load on the other
    ground.py     our services and the peer's, each started when first asked for; peers.py installs what is released
    traffic.py    the requests: signed beforehand, each for one use
    load.py       as many as a server can answer; open_loop.py: at a rate of their own, timed from when they were due
    core.py       the signature core against the Ed25519 check inside it, and against other libraries (libraries.py)
    verify.py     /verify and batches against a peer's /whoami, a bare aiohttp handler and raw Ed25519
    latency.py    percentiles at a moderate load, and beside a stream of batches
    lookups.py    a million agents beside a thousand (fleet.py makes them)
    memory.py     bytes of a nonce, and of an agent in the verifier
    registrar.py  registrations and key directories against the peer's
    audit.py      registration with and without its audit event (untold.py)
    profile.py    where a request's time goes, drawn by flame.py

Machines are noisy, so nothing here is a time where a ratio will do: two things are measured in slices that alternate,
and what counts is the ratio within a round.
"""
