"""Where the command `dialpost` begins: Ctrl-C ends it quietly at any moment, even while its modules are being
imported.

Python itself would print a traceback of whatever was being imported, or of its own shutdown.
"""

from __future__ import annotations

import os
import sys

from dialpost import __version__

_INTERRUPTED = 130
"""Exit status: 128 + SIGINT, as shells have it."""
_READER_GONE = 141
"""Exit status: 128 + SIGPIPE."""


def main() -> int:
    """Run the command line in this process, as the last thing it does; its exit status."""
    if sys.argv[1:] == ["--version"]:  # scripts call it again and again: not even `argparse` is imported for it
        return _version()
    import signal

    answer = signal.getsignal(signal.SIGINT)
    is_pythons = answer is signal.default_int_handler  # under nohup, in a background job, it is ignored
    if is_pythons:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from dialpost.__main__ import main as run

    try:
        if is_pythons:
            signal.signal(signal.SIGINT, answer)
        return run()
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        if is_pythons:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _version() -> int:
    """As `cli.parser` declares it. Output that nobody reads causes no traceback."""
    if not sys.stdout:  # closed by whoever started us
        return 0
    try:
        os.write(1, f"dialpost {__version__}\n".encode())
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"dialpost: can't write the output: {error.strerror}\n")
            return 1
        return _READER_GONE
    return 0
