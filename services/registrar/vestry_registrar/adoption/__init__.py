"""Taking over the database of a vestauth server, in place or as a copy, whole or not at all.

recognition.py      is it such a database? Anything else is refused, and what was found is said
rows.py             its two tables as they are
redaction.py        private members out of whatever JSON somebody stored
evidence.py         what one key's row says by itself
judgement.py        what may be believed of all of it together: pure
reasons.py          why something is not believed, and what becomes of it
in_place.py         believed rows stay where they are, the others go
copying.py          believed rows are written into an empty database
aftermath.py        the quarantine, the audit trail, the sequences: the same for both
one_transaction.py  migrations and all else, committed once or not at all
adopt.py            the use case: locks, one transaction, the report
report.py           what an operator reads
"""
