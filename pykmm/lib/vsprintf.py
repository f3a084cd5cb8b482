# SPDX-License-Identifier: GPL-2.0-only
"""How the kernel prints what it prints — ``lib/vsprintf.c``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from ..engine.annotate import mirrors
from ..errors import UsageError
from ..linux.trace.events.mmflags import gfpflag_names

__all__ = ["bitmap_list_string", "flags_string", "format_flags"]


def _sprintf(fmt: str, *args: object) -> str:
    """Fill a C format in: Python's ``%`` takes C's conversions as they are."""
    return fmt % args


@mirrors("lib/vsprintf.c", checked="v7.2")
def format_flags(flags: int, names: Sequence[tuple[int, str]]) -> str:
    """Spell *flags* with the first *names* that fit, and the rest as a number."""
    parts = []
    for mask, name in names:
        if not flags:
            break
        if flags & mask == mask:
            parts.append(name)
            flags &= ~mask
    if flags:
        parts.append(f"{flags:#x}")
    return "|".join(parts)


@mirrors("lib/vsprintf.c", checked="v7.2", abridged="masks of allocations only")
def flags_string(flags: int, kind: str) -> str:
    """Spell a word of flags: *kind* ``g`` is an allocation's, as ``%pGg`` prints it."""
    if kind != "g":
        raise UsageError(f"flags_string(): kind={kind!r} is not known: it must be 'g'")
    return format_flags(flags, gfpflag_names)


@mirrors("lib/vsprintf.c", checked="v7.2")
def bitmap_list_string(numbers: Iterable[int] | None) -> str:
    """Print a set of numbers as ``%*pbl`` does: ``0-2,4``; None is ``(null)``."""
    if numbers is None:
        return "(null)"
    parts = []
    for _, run in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        first, last = members[0], members[-1]
        parts.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(parts)
