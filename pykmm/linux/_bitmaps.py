# SPDX-License-Identifier: GPL-2.0-only
"""Bitmaps of what is in one page-table page, and counts made of them."""

from __future__ import annotations

from typing import Final, TypeAlias

__all__ = ["_NONE", "_Counts", "_moved", "_one_less", "_one_more", "_through_nth"]

#: How often each of up to 512 things is referred to: bitmap n has those with more
#: than n references.
_Counts: TypeAlias = "list[int]"


#: Nothing has any: what nobody changes in place.
_NONE: Final[_Counts] = [0]


def _moved(bits: int, by: int) -> int:
    """Return the bitmap with everything *by* places further up, or down."""
    return bits << by if by >= 0 else bits >> -by


def _one_more(counts: _Counts, bits: int) -> None:
    """Count one reference more of each in *bits*."""
    for level, have in enumerate(counts):
        counts[level] = have | bits
        bits &= have
    if bits:
        counts.append(bits)


def _one_less(counts: _Counts, bits: int) -> int:
    """Count one reference less of each in *bits*; return those that have none left."""
    left = bits
    for level in range(len(counts) - 1, -1, -1):
        gone = counts[level] & left
        counts[level] ^= gone
        left ^= gone
    while len(counts) > 1 and not counts[-1]:
        counts.pop()
    return bits & ~counts[0]


def _through_nth(bits: int, nth: int) -> int:
    """Select all positions up to the *nth* set bit, counted from 1."""
    low, high = 0, bits.bit_length()
    while low < high:
        middle = (low + high) // 2
        if (bits & (1 << middle) - 1).bit_count() < nth:
            low = middle + 1
        else:
            high = middle
    return (1 << low) - 1
