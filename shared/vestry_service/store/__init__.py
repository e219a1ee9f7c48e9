"""Redis or Valkey as people run it: one server, Sentinel or Cluster, over TCP, TLS or a Unix socket.

url.py       REDIS_URL, read
wire.py      one connection: replies matched to questions, in order
greeting.py  logging in, and asking a server who it is
script.py    a script, and the calls of it that travel together
link.py      a lasting connection to the one server that counts
watch.py     who counts is asked again and again, and a majority decides
sentinel.py  the primary that Sentinels name
slots.py     who holds which slot of a Cluster: pure
nodes.py     the primaries of a Cluster
calls.py     what several callers ask, in one call
batches.py   all calls of one turn of the event loop in one trip
cluster.py   the same for the nodes of a Cluster
open.py      from a URL to all that
"""
