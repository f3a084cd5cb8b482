# SPDX-License-Identifier: GPL-2.0-only
"""What a program does, as a value: it prints as it is written, and shrinks."""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["ALONE", "ENDS", "MAKES", "MEMORY", "OTHERS", "Act"]

#: Acts on the process's own memory.
MEMORY: Final = (
    "mmap",
    "share",
    "memfd",
    "file",
    "huge",
    "touch",
    "read",
    "munmap",
    "mprotect",
    "dontneed",
    "free",
    "pageout",
    "mremap",
    "mlock",
    "brk",
)
#: Acts that others notice.
OTHERS: Final = ("kill", "term", "usr1", "mrelease", "peek", "handle", "wait")
#: Acts that come back whatever others do.
ALONE: Final = (*MEMORY, "kill", "term", "usr1", "mrelease", "peek", "handle")
#: Acts that begin a program: a task's of its own, or one in place of the old.
MAKES: Final = ("fork", "clone_vm", "thread", "vfork", "exec")
#: Acts after which nothing follows.
ENDS: Final = ("exit", "exit_group", "pause")


@attrs.frozen(repr=False)
class Act:
    """One act: *which* of the mappings or processes that are known, and *pages*."""

    name: str
    which: int = 0
    pages: int = 1
    program: tuple[Act, ...] = ()

    def __repr__(self) -> str:
        if self.name in MAKES:
            return f"Act({self.name!r}, program={self.program!r})"
        return f"Act({self.name!r}, {self.which}, {self.pages})"
