"""The audit trail: what was done to whose keys, by whom, from where, and when.

event.py    what one event says
chain.py    the hash chain over the events: pure
sealer.py   links new events into the chain, some moments after they are committed
trail.py    reads the trail: walk it, export it, answer who could sign at a time
"""
