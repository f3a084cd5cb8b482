# SPDX-License-Identifier: GPL-2.0-only
"""Directories of files that may vanish, or be none of the reader's business.

A process is read through an open directory, not by its number: once it is gone
its files answer nothing, whoever got the number since.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, Self, TypeVar

from ..errors import UsageError

__all__ = ["Folder", "Gone", "Unreadable", "understand"]

_T = TypeVar("_T")

_CHUNK: Final = 1 << 16
#: A pipe among the files of a copied tree must not stop the reader.
_FILE: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
_DIRECTORY: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


class Gone(Exception):
    """What was to be read is not there, or no more."""


class Unreadable(Exception):
    """What was to be read is there, but not for this reader."""


class Folder:
    """An open directory. Use it as a context manager."""

    def __init__(self, path: str, inside: Folder | None = None) -> None:
        above = "" if inside is None else f"{inside.path.rstrip('/')}/"
        self.path: str = f"{above}{path}"
        self._fd: int = _open(path, _DIRECTORY, None if inside is None else inside._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def names(self) -> list[str]:
        """Return what is in it, in no order; nothing if it has just gone."""
        try:
            return os.listdir(self._fd)
        except OSError:
            return []

    def numbers(self) -> list[int]:
        """Return those of its names that are numbers, sorted."""
        return sorted(
            int(name) for name in self.names() if name.isascii() and name.isdigit()
        )

    def read(self, name: str) -> bytes:
        """Return all of one file; raise :class:`Gone` or :class:`Unreadable`."""
        fd = _open(name, _FILE, self._fd)
        try:
            parts = []
            while part := os.read(fd, _CHUNK):
                parts.append(part)
        except OSError as problem:
            raise _excuse(problem) from None
        finally:
            os.close(fd)
        return b"".join(parts)

    def read_if_there(self, name: str) -> bytes | None:
        """Return all of one file, or None if there is none to be had."""
        try:
            return self.read(name)
        except (Gone, Unreadable):
            return None


def _open(path: str, flags: int, inside: int | None) -> int:
    try:
        return os.open(path, flags, dir_fd=inside)
    except (OSError, ValueError) as problem:
        raise _excuse(problem) from None


def _excuse(problem: OSError | ValueError) -> Gone | Unreadable:
    if isinstance(problem, FileNotFoundError | ProcessLookupError):
        return Gone()
    reason = problem.strerror if isinstance(problem, OSError) else str(problem)
    return Unreadable(reason or "it cannot be read")


def understand(path: str, parse: Callable[[bytes], _T], raw: bytes) -> _T:
    """Call *parse* on what *path* holds; nonsense is the caller's mistake."""
    try:
        return parse(raw)
    except ValueError as problem:
        raise UsageError(
            f"{path} is malformed: {problem}; pass a directory with the files of "
            "a Linux /proc"
        ) from None
