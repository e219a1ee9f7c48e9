"""The audit trail: what was done to whose keys, by whom, from where, and when.

event.py      what one event says, and which details count
canonical.py  the one text of a JSON value, which hashes are over: pure
chain.py      the hash chain over the events: pure
sealer.py     links new events into the chain, some moments after they are committed
trail.py      reads the trail as a whole: walk it, export it
history.py    who could sign at a time, replayed from events: pure
answer.py     the same as JSON carries it: pure
origin.py     from a request to who did it, and from where
"""
