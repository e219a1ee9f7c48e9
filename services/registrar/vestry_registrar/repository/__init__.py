"""Postgres, query by query: every statement has a name, one sentence, and its columns spelt out.

A function takes what can run a statement (a pool, or a connection inside somebody's transaction) and gives
frozen dataclasses back. Nothing of the driver leaves this room: its errors are translated at the edge
(`edge.py`).
"""
