"""The errors a user can cause or meet, each carrying one line of remedy and an exit code.

Exit codes: 0 done, 1 something failed while running, 2 the arguments or the given
paths are wrong, 130 interrupted by Ctrl-C, 141 nobody reads the results any more.
"""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141
"""As a program that SIGPIPE ends (128 + 13)."""


class FacecliError(Exception):
    """Base of every error that reaches the user as one line on stderr.

    Attributes:
        hint: what may be done about it on the command line, whose options callers from Python do not have.
    """

    exit_code = EXIT_FAILED

    def __init__(self, message: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def with_hint(self) -> str:
        """The message for who has typed a command."""
        return f"{self}; {self.hint}" if self.hint else str(self)


class InputError(FacecliError):
    """A path or an option that cannot be used: nothing was started."""

    exit_code = EXIT_USAGE


class ImageError(FacecliError):
    """A picture that cannot be decoded, or that is too large to decode safely."""


class ImageTooLargeError(ImageError):
    """A picture of more pixels than are decoded."""


class PrivateAddressError(ImageError):
    """A picture at an address of the own network or machine, which is asked only where that was allowed."""


class SourceError(FacecliError):
    """A camera, clip or stream that cannot be opened, or that ended too early."""


class OutputError(FacecliError):
    """A result that cannot be written."""


class EncodingError(OutputError):
    """A picture that the format of its file cannot hold; others may be written all the same."""


class DataError(InputError):
    """A data set that cannot be trained on or evaluated."""


class CheckpointError(FacecliError):
    """A model folder that is missing, damaged or of another kind."""


class WeightsError(FacecliError):
    """Pretrained weights that are missing, damaged or cannot be fetched."""


class DownloadError(FacecliError):
    """A public file that cannot be fetched, or that is not what was published."""
