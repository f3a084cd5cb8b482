# SPDX-License-Identifier: GPL-2.0-only
"""Bits of a flag word — ``include/linux/bitops.h``.

Each bit is an object of its own for the explorer: setting one commutes with
whatever happens to its neighbours in the word.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.objects import Named
from ..engine.step import enter, leave
from ..engine.thread import thread_here
from ._primitive import Primitive

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping


__all__ = [
    "Bits",
    "clear_bit",
    "set_bit",
    "test_and_clear_bit",
    "test_and_set_bit",
    "test_bit",
]


class Bit(Named):
    """One bit of a word: dies with the word's owner, and is named after both."""

    def __init__(self, word: Bits, nr: int) -> None:
        self.owner = word.owner
        self.word = word
        self.nr = nr
        self.value = False

    @property
    def uid(self) -> Hashable:
        return (self.word.uid, self.nr)

    @property
    def name(self) -> str:
        return f"{self.word.name}[{self.nr}]"

    def _field(self) -> str:
        return f"{self.word._field()}[{self.nr}]"

    def _is_clear(self) -> bool:
        """Be the guard of who waits for that."""
        return not self.value


class Bits(Primitive):
    """A word of flags, such as ``mm->flags``.

    Nothing reads the word as a whole in a step: what would conflict with all
    its bits is best written as tests of the bits it looks at.
    """

    #: Those that somebody has asked for: of most words, none.
    _bits: Mapping[int, Bit] = MappingProxyType({})

    def bit(self, nr: int) -> Bit:
        """Return the object of bit *nr*, made when somebody first asks for it."""
        bits: dict[int, Bit] = self.__dict__.setdefault("_bits", {})
        return bits.get(nr) or bits.setdefault(nr, Bit(self, nr))

    @property
    def _value(self) -> int:
        """The word, for looking without a step."""
        return sum(1 << nr for nr, bit in list(self._bits.items()) if bit.value)

    def _has(self, nr: int) -> bool:
        """Look at a bit without a step."""
        bit = self._bits.get(nr)
        return bit is not None and bit.value


def _put(nr: int, word: Bits, kind: str, *, value: bool) -> bool:
    bit = word.bit(nr)
    t = enter(bit, kind)
    before = bit.value
    bit.value = value
    leave(t, bit, Access.READ if before is value else Access.WRITE, int(value))
    return before


@mirrors("include/linux/bitops.h", checked="v7.2", inline=True)
def set_bit(nr: int, addr: Bits) -> None:
    """Set bit *nr*; one that is set already is only read.

    Context: Any.
    """
    _put(nr, addr, "set_bit", value=True)


@mirrors("include/linux/bitops.h", checked="v7.2", inline=True)
def clear_bit(nr: int, addr: Bits) -> None:
    """Clear bit *nr*; one that is clear already is only read.

    Context: Any.
    """
    _put(nr, addr, "clear_bit", value=False)


@mirrors("include/linux/bitops.h", checked="v7.2", inline=True)
def test_bit(nr: int, addr: Bits) -> bool:
    """Tell whether bit *nr* is set.

    Context: Any; the answer may be old when it arrives.
    """
    t = thread_here()
    if t is not None and t.is_boot and (addr.owner or addr)._death is None:
        return addr._has(nr)  # the host's look: no step
    bit = addr.bit(nr)
    t = enter(bit, "test_bit")
    value = bit.value
    leave(t, bit, Access.READ, int(value))
    return value


@mirrors("include/linux/bitops.h", checked="v7.2", inline=True)
def test_and_set_bit(nr: int, addr: Bits) -> bool:
    """Set bit *nr*.

    Context: Any.
    Return: Whether it was set before.
    """
    return _put(nr, addr, "test_and_set_bit", value=True)


@mirrors("include/linux/bitops.h", checked="v7.2", inline=True)
def test_and_clear_bit(nr: int, addr: Bits) -> bool:
    """Clear bit *nr*.

    Context: Any.
    Return: Whether it was set before.
    """
    return _put(nr, addr, "test_and_clear_bit", value=False)
