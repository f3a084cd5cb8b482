# SPDX-License-Identifier: GPL-2.0-only
"""Get the text of a log, from a file or from standard input.

Logs hold bytes that are no text (a task may name itself anything), so decoding
replaces what it cannot read instead of failing over it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import UsageError

__all__ = ["read_log"]


def read_log(path: str) -> str:
    """Read the log at *path*; ``-`` is standard input.

    Raises :class:`UsageError` for what cannot be read.
    """
    if path == "-":
        return _decode(sys.stdin.buffer.read())
    if not path:
        raise UsageError("the file name is empty: pass a log, or - for standard input")
    try:
        return _decode(Path(path).read_bytes())
    except IsADirectoryError:
        raise UsageError(
            f"{path} is a directory: pass one log file, or - for standard input"
        ) from None
    except FileNotFoundError:
        raise UsageError(
            f"{path} does not exist: pass a log file, or - for standard input"
        ) from None
    except (OSError, ValueError) as problem:
        what = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise UsageError(
            f"{path!r} cannot be read ({what}): pass a log file you may read"
        ) from None


def _decode(raw: bytes) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if raw.startswith(mark):
            return raw[2:].decode(encoding, errors="replace")
    return raw.decode("utf-8", errors="replace")
