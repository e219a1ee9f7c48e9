"""The one error of this package."""


class CannotStart(Exception):
    """Something cannot be started. `str(error)` is one line for the person at the terminal.

    Attributes:
        details: the last lines that the failing part wrote, oldest first; may be empty.
    """

    def __init__(self, message: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.details = details
