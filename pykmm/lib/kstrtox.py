# SPDX-License-Identifier: GPL-2.0-only
"""Numbers out of what programs write — ``lib/kstrtox.c``.

Texts are bytes that end at the first NUL, as C's do.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import EINVAL, ERANGE, Errno

__all__ = ["_parse_integer", "_parse_integer_fixup_radix", "kstrtoint", "kstrtoll"]

_ULLONG_MAX: Final = 2**64 - 1
_LLONG_MAX: Final = 2**63 - 1
_INT_MAX: Final = 2**31 - 1
_DIGITS: Final = b"0123456789abcdef"


@mirrors("lib/kstrtox.c", checked="v7.2", abridged="returns the text behind the prefix")
def _parse_integer_fixup_radix(s: bytes, base: int) -> tuple[bytes, int]:
    """Find out the base of a number whose *base* is 0, and drop a ``0x``."""
    hexadecimal = s[:2].lower() == b"0x"
    if base == 0:
        base = 10
        if s[:1] == b"0":
            digit = s[2:3].lower()
            base = 16 if hexadecimal and digit and digit in _DIGITS else 8
    return (s[2:] if base == 16 and hexadecimal else s), base


@mirrors("lib/kstrtox.c", checked="v7.2", abridged="returns the value, too")
def _parse_integer(s: bytes, base: int) -> tuple[int, int | None]:
    """Read digits from the start of *s*.

    Return: How many there are, and the number; None for one beyond 64 bits.
    """
    value = count = 0
    for char in s.lower():
        digit = _DIGITS.find(char)
        if not 0 <= digit < base:
            break
        value = value * base + digit
        count += 1
    return count, value if value <= _ULLONG_MAX else None


def _kstrtoull(s: bytes, base: int) -> int | Errno:
    s, base = _parse_integer_fixup_radix(s, base)
    count, value = _parse_integer(s, base)
    if value is None:
        return -ERANGE
    rest = s[count:]
    if count == 0 or rest not in (b"", b"\n"):
        return -EINVAL
    return value


@mirrors("lib/kstrtox.c", checked="v7.2", abridged="returns the value itself")
def kstrtoll(s: bytes, base: int) -> int | Errno:
    """Read a signed number of 64 bits, which is all of *s* but a newline.

    Return: The number, -EINVAL, or -ERANGE.
    """
    s = s.partition(b"\0")[0]
    negative = s[:1] == b"-"
    found = _kstrtoull(s[1:] if s[:1] in (b"-", b"+") else s, base)
    if isinstance(found, Errno):
        return found
    if found > _LLONG_MAX + negative:
        return -ERANGE
    return -found if negative else found


@mirrors("lib/kstrtox.c", checked="v7.2", abridged="returns the value itself")
def kstrtoint(s: bytes, base: int) -> int | Errno:
    """Read a signed number of 32 bits, which is all of *s* but a newline.

    Return: The number, -EINVAL, or -ERANGE.
    """
    found = kstrtoll(s, base)
    if isinstance(found, Errno):
        return found
    return found if -_INT_MAX - 1 <= found <= _INT_MAX else -ERANGE
