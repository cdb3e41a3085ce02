"""The errors a user can cause or meet, each carrying one line of remedy and an exit code.

Exit codes: 0 done, 1 something failed while running, 2 the arguments or the given
paths are wrong, 130 interrupted by Ctrl-C.
"""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class FacecliError(Exception):
    """Base of every error that reaches the user as one line on stderr."""

    exit_code = EXIT_FAILED


class InputError(FacecliError):
    """A path or an option that cannot be used: nothing was started."""

    exit_code = EXIT_USAGE


class ImageError(FacecliError):
    """A picture that cannot be decoded, or that is too large to decode safely."""


class ImageTooLargeError(ImageError):
    """A picture of more pixels than are decoded."""


class SourceError(FacecliError):
    """A camera, clip or stream that cannot be opened, or that ended too early."""


class OutputError(FacecliError):
    """A result that cannot be written."""


class DataError(InputError):
    """A data set that cannot be trained on or evaluated."""


class CheckpointError(FacecliError):
    """A model folder that is missing, damaged or of another kind."""


class WeightsError(FacecliError):
    """Pretrained weights that are missing, damaged or cannot be fetched."""
