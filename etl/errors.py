"""The errors that Kobling shows plainly: where, what was found, what was expected, what to do.

Anything that is not a `KoblingError` is a bug of ours and keeps its traceback. No message may hold
a personal number or any other personal value.
"""


class KoblingError(Exception):
    """Refused for a reason a person can act on; the CLI prints it in one line and exits with 2."""


class SettingsError(KoblingError):
    """The environment or a key asks for something that cannot be."""


class DeliveryError(KoblingError):
    """A delivery is not what its keeper or its contract says."""


class LinkageError(KoblingError):
    """Linking cannot go on without risking a wrong link or a lost row."""


class StudyError(KoblingError):
    """A study folder contradicts itself, or does not exist."""


class QualityError(KoblingError):
    """A fatal check is red."""


class EstimateError(KoblingError):
    """An estimate cannot be made from the marts as they are."""


class ReleaseError(KoblingError):
    """A release may not be published, or is not whole."""


class DisclosureError(KoblingError):
    """A table may not leave."""
