"""Where the command `dialpost` begins: Ctrl-C ends it quietly at every moment, also while its modules are read.

Python's own answer to it there is a traceback of whatever was being imported, or of its own way out.
"""

from __future__ import annotations

import signal

_INTERRUPTED = 130
"""Exit status: 128 + SIGINT, as shells have it."""


def main() -> int:
    """Run the command line in this process, as its last deed; its exit status."""
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
