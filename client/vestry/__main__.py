"""`python -m vestry` is the command `vestry`."""

from vestry.cli import main

if __name__ == "__main__":
    main()
