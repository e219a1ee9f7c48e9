"""Foreign agents: who they are, whether they are believed, and where their keys come from.

From the member of Signature-Agent that a signature covers to a key that proves it:

    identifier.py   the member -> one URL, by the rules of either generation of drafts (`url.py` normalises)
    admission.py    is this host believed, and for which profiles?
    directories.py  the directory at that URL, fresh: from this process, from Redis, or fetched (`fetch.py`)
    keys.py         the key of that very directory

Nobody who is not admitted is contacted, and what is fetched is read with suspicion: `addresses.py` says where a
connection may go, `jwks.py` what a directory may hold, `freshness.py` for how long it is believed, `store.py` how a
fleet of verifiers fetches it once.
"""
