"""Why not? Every check that `/verify` would make of a request, in order, with what it saw.

`/verify` says one calm reason. Whoever has to find out why a request is refused needs more: what was read, which
checks passed before the one that did not, the text that was signed. This package tells it, and must never become a
second verifier that comes to other conclusions than the first. So it goes like this:

1. *Rehearse* (`rehearsal`). The very judge of `/verify` judges the question, by the rules of the tool that asks. Only
   its three doors to the world are exchanged for ones that note what passes (`witness`): who may be believed, where
   keys are found, and the store, which is asked what spending would say (`ReplayStore.peek`) and spends nothing.
   What comes out is the verdict, and nothing after this can change it.
2. *Take down* (`accounts`). For each signature of the request the pure functions of the ceremony are called once more
   with what the doors noted, and give what became of it: read, claimed, believed, its key, proven, counted.
3. *Tell* (`telling`, and a room for each stretch: `request_checks`, `claim_checks`, `key_checks`, `store_checks`).
   Each account becomes a list of checks in the order of the ceremony. Where a check failed is found by the error that
   the ceremony raised, not by an opinion of ours; the sentences only say what there was to see.
4. *Hint* (`hints`, `variants`). One sentence on what would help. For a signature that does not verify, a few other
   readings of the request are tried with the same key: another scheme, port, method, spelling of the path.

Nothing is spent, and nothing is counted as a verification. An explanation repeats bytes of the request to the one who
asked about it; like everything that strangers chose they are kept out of the log. It holds no more of a key than its
public half.
"""
