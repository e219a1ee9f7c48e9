"""The operator's file of tools (`TOOLS_FILE`, docs/operators/tools-file.md): TOML in, policies out, kept up to date.

    table.py    one table of the file: reads values, remembers everything that is wrong, suffers no unknown name
    values.py   from one value to what it means
    book.py     the whole file: which token is whose, and what each tool accepts
    source.py   the file on the disk: read whole or not at all
    keeper.py   the book that counts now, and its renewal

Nothing is half believed: a file that has any fault is refused with all its faults at once. At the start that ends
the start; later the book before it goes on, and the log, `/readyz` and a metric say so.
"""
