"""The one tree of exceptions.

An expected outcome (a refusal by a server, a busy line) is a value, never an exception. Exceptions are for broken
promises: bad input, a full disk, a damaged store, a peer that violates the protocol.
"""


class DialpostError(Exception):
    """Base of every error Dialpost raises on purpose. `str(error)` is fit for people to read."""


class AddressError(DialpostError):
    """Text is not a mailbox address or domain name. `text` is what was given, `why` says why in plain words."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"{text!r} is not usable as an address: {why}")
        self.text = text
        self.why = why


class ConfigError(DialpostError):
    """The configuration is wrong. `problems` holds one complete sentence for each fault found."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class JsonError(DialpostError, ValueError):
    """A text is not usable JSON; the sentence says where and why."""


class AccountError(DialpostError):
    """An account command can't be carried out (no such account, address taken, weak password ...)."""


class CertificateError(DialpostError):
    """The station's own TLS certificate can't be read, used or made; the text says what to do."""


class ProtocolError(DialpostError):
    """A peer violated its protocol, so that the dialogue can't continue (RFC 5321 §4.2)."""


class StorageError(DialpostError):
    """The card failed, or stored data is not as it was written."""


class UpdateError(DialpostError):
    """An update that can't be installed, and why; the running release is not affected."""


class StorageFullError(StorageError):
    """No space left, or the reserve would be touched: a temporary condition (452, never 5xx)."""


class ReadOnlyError(StorageError):
    """The card can't be written at all: it is write-protected, or the system found a fault on it."""


class DamagedError(StorageError):
    """Stored data can't be interpreted. `set_aside` says where it was kept, if it was."""

    def __init__(self, message: str, set_aside: str | None = None) -> None:
        super().__init__(message)
        self.set_aside = set_aside


class AlreadyRunningError(DialpostError):
    """Another daemon holds this data directory."""


class NotFoundError(DialpostError):
    """No such message, account or key. The text names what was asked for."""


class ControlError(DialpostError):
    """The control socket can't be reached or refused the request; the text says what to do next.

    `kind` is the class of the error at the other end, "" if it did not come from there.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class StaleError(DialpostError):
    """A candidate configuration is based on one that is no longer the newest."""


class WarnFirstError(DialpostError):
    """Somebody would be disconnected: `sentences` says who. It is done if it is requested anyway."""

    def __init__(self, sentences: tuple[str, ...]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class PortError(DialpostError):
    """A serial port can't be opened, or has disappeared (unplugged); the text says why and what to do."""


class TerminalGoneError(DialpostError):
    """The console's user is gone: hung up, unplugged, the window closed. Nobody would read an answer."""


class IdleTooLongError(DialpostError):
    """Nothing was typed for longer than the console waits: the session is over."""


class AskCancelledError(DialpostError):
    """Ctrl-C or Ctrl-D instead of an answer."""


class GpioError(DialpostError):
    """A GPIO line can't be used as the board's file says; the text names the line."""


class GpioNotThereError(GpioError):
    """This machine has no such GPIO chip (or not yet: at power-on it may still appear)."""


class LineBusyError(GpioError):
    """Another process holds the line; the text says which, if the kernel reports it."""


def fault_words(error: Exception) -> str:
    """What happened, for people: the system's message and the file it is about, without `[Errno N]`."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error) or type(error).__name__
    return f"{error.strerror}: {error.filename}" if isinstance(error.filename, str) else error.strerror
