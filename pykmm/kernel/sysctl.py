# SPDX-License-Identifier: GPL-2.0-only
"""Reading and writing settings as text — ``kernel/sysctl.c``.

A value that cannot be is refused before anything is stored.
"""

from __future__ import annotations

from typing import Final, cast

from ..engine.annotate import mirrors
from ..engine.statics import MachineLocal
from ..errno import EINVAL, Errno
from ..lib.kstrtox import _parse_integer, _parse_integer_fixup_radix
from ..lib.string_helpers import skip_spaces
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.sysctl import ctl_table

__all__ = [
    "proc_dointvec",
    "proc_dointvec_minmax",
    "proc_get_long",
    "register_sysctl_init",
    "sysctl_tables",
]

_TMPBUFLEN: Final = 22
_INT_MAX: Final = 2**31 - 1
_PAGE: Final = 4096
_DIGITS: Final = b"0123456789"
_SEPARATORS: Final = b" \t\n"


class _Tables:
    """All registered settings, by the path below ``/proc/sys``."""

    def __init__(self) -> None:
        self.by_path: dict[str, ctl_table] = {}


_tables = MachineLocal(_Tables)


def sysctl_tables() -> dict[str, ctl_table]:
    """Return the machine's settings by the path below ``/proc/sys``."""
    return _tables().by_path


def register_sysctl_init(path: str, table: tuple[ctl_table, ...]) -> None:
    """Let the settings of *table* be found below ``/proc/sys/``\\ *path*."""
    for entry in table:
        _tables().by_path[f"{path}/{entry.procname}"] = entry


@mirrors(
    "kernel/sysctl.c", checked="v7.2", abridged="returns what it read, and the rest"
)
def proc_get_long(buf: bytes) -> tuple[int, bytes] | Errno:
    """Read one number from the start of *buf*, up to white space.

    Return: The number and what follows it, or -EINVAL.
    """
    tmp = buf[: _TMPBUFLEN - 1].partition(b"\0")[0]
    negative = tmp[:1] == b"-" and len(buf) > 1
    digits = tmp[1:] if negative else tmp
    if not digits or digits[0] not in _DIGITS:
        return -EINVAL
    body, base = _parse_integer_fixup_radix(digits, 0)
    count, value = _parse_integer(body, base)
    if value is None:
        return -EINVAL
    length = len(tmp) - len(body) + count
    # So long a number may be the beginning of a longer one.
    if length == _TMPBUFLEN - 1:
        return -EINVAL
    if length < len(buf) and buf[length] not in _SEPARATORS:
        return -EINVAL
    return (-value if negative else value), buf[length:]


def _current(table: ctl_table) -> int:
    find, name = table.data
    return cast("int", getattr(READ_ONCE(find()), name))


def _store(table: ctl_table, value: int, *, minmax: bool) -> int:
    if not -_INT_MAX - 1 <= value <= _INT_MAX:
        return -EINVAL
    if minmax:
        if table.extra1 is not None and value < table.extra1:
            return -EINVAL
        if table.extra2 is not None and value > table.extra2:
            return -EINVAL
    find, name = table.data
    setattr(WRITE_ONCE(find()), name, value)
    return 0


def _do_proc_dointvec(
    table: ctl_table, text: bytes | None, pos: int, *, minmax: bool
) -> bytes | int | Errno:
    if text is None:
        return b"" if pos else b"%d\n" % _current(table)
    if not text or pos:  # at another place than the start nothing is written
        return len(text)
    found = proc_get_long(skip_spaces(text[: _PAGE - 1]))
    if isinstance(found, Errno):
        return found
    value, rest = found
    error = _store(table, value, minmax=minmax)
    if error:
        return error
    return len(text) - len(skip_spaces(rest))


@mirrors("kernel/sysctl.c", checked="v7.2", abridged="one number; writes are strict")
def proc_dointvec(
    table: ctl_table, text: bytes | None, pos: int
) -> bytes | int | Errno:
    """Read or write a setting that is any ``int``.

    Context: May sleep.
    Return: See :data:`proc_handler`; -EINVAL for no number, or one too large.
    """
    return _do_proc_dointvec(table, text, pos, minmax=False)


@mirrors("kernel/sysctl.c", checked="v7.2", abridged="one number; writes are strict")
def proc_dointvec_minmax(
    table: ctl_table, text: bytes | None, pos: int
) -> bytes | int | Errno:
    """Read or write a setting that lies between ``extra1`` and ``extra2``.

    Context: May sleep.
    Return: As :func:`proc_dointvec`; -EINVAL also for a number outside.
    """
    return _do_proc_dointvec(table, text, pos, minmax=True)
