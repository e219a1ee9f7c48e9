"""Redis or Valkey as people run it: one server, Sentinel or Cluster, over TCP, TLS or a Unix socket.

url.py       REDIS_URL, read
wire.py      one connection: replies matched to questions, in order
greeting.py  logging in, and asking a server who it is
script.py    a script, and the calls of it that travel together
link.py      a lasting connection to the one server that counts
batches.py   all calls of one turn of the event loop in one trip
"""
