"""Why an adoption does not take place. Nothing was changed then, unless the text says that it is unknown."""


class AdoptionError(Exception):
    """The database is not adopted; the message says why."""


class NotVestauth(AdoptionError):
    """It is not the database of a vestauth server, or of a release that is not known here."""


class StillInUse(AdoptionError):
    """Somebody is connected to the database, or holds its tables."""


class NotEmpty(AdoptionError):
    """What is to be copied into has rows already."""
