"""vestry: identity for software agents that you host yourself."""

__version__ = "0.1.0"
