# SPDX-License-Identifier: GPL-2.0-only
"""Where the command line's words go: results to stdout, the rest to stderr."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
import time
from contextlib import suppress

from ..errors import UsageError

__all__ = ["Progress", "complain", "give_up", "prepare", "show", "show_json"]

_QUIET_SECONDS = 2.0
_BETWEEN_SECONDS = 0.5
_CLEAR_LINE = "\r\x1b[K"
#: How a stream writes letters that its encoding does not have.
_PLAINLY = "pykmm-plainly"


def prepare() -> None:
    """Let neither a closed input nor what a terminal cannot show stop the output."""
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BytesIO())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAINLY)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Write ``~`` for what is left out, as ``?`` stands for what a quiz hides."""
    assert isinstance(error, UnicodeEncodeError)
    lost = error.object[error.start : error.end]
    return "".join("~" if letter == "…" else "?" for letter in lost), error.end


codecs.register_error(_PLAINLY, _plainly)


def show(text: str) -> None:
    """Write *text* to standard output as it is, at once."""
    if sys.stdout is None:
        raise UsageError("standard output is closed: open it, if only on /dev/null")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up()
        raise UsageError(
            f"standard output cannot be written ({error.strerror}): give it room"
        ) from None


def show_json(data: object) -> None:
    """Write *data* to standard output as indented JSON."""
    show(json.dumps(data, indent=2, ensure_ascii=True) + "\n")


def complain(sentence: str) -> None:
    """Write one line to standard error, whatever *sentence* holds."""
    if sys.stderr is not None:  # as it is where it was closed
        with suppress(OSError):  # the exit status tells, too
            print(f"pykmm: {' '.join(sentence.split())}", file=sys.stderr)


def give_up() -> None:
    """Stop writing to a standard output that nobody reads any more."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # not a real file: then nothing is flushed to it
        pass


class Progress:
    """A line on standard error that is rewritten while something takes long.

    It keeps quiet for the first seconds, and for good where standard error is
    not a terminal. Use it as a context manager, so that the line goes away.
    """

    def __init__(self) -> None:
        self.on = sys.stderr is not None and sys.stderr.isatty()
        self.due = time.monotonic() + _QUIET_SECONDS
        self.drawn = False

    def say(self, text: str) -> None:
        """Show *text* if it is time to."""
        now = time.monotonic()
        if not self.on or now < self.due:
            return
        self.due = now + _BETWEEN_SECONDS
        self.drawn = True
        sys.stderr.write(f"{_CLEAR_LINE}{text}")
        sys.stderr.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.drawn:
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()
