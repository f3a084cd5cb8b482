# SPDX-License-Identifier: GPL-2.0-only
"""Bits: what changes, what only looks, and what does not meet."""

from __future__ import annotations

import pytest

from pykmm.engine import conflict
from pykmm.linux import bitops as b

#: Call, word before, answer, word after, access class.
TABLE = [
    (b.test_bit, 0b1000, True, 0b1000, "READ"),
    (b.test_bit, 0b0100, False, 0b0100, "READ"),
    (b.set_bit, 0b0100, None, 0b1100, "WRITE"),
    (b.set_bit, 0b1000, None, 0b1000, "READ"),
    (b.clear_bit, 0b1100, None, 0b0100, "WRITE"),
    (b.clear_bit, 0b0100, None, 0b0100, "READ"),
    (b.test_and_set_bit, 0b0100, False, 0b1100, "WRITE"),
    (b.test_and_set_bit, 0b1100, True, 0b1100, "READ"),
    (b.test_and_clear_bit, 0b1100, True, 0b0100, "WRITE"),
    (b.test_and_clear_bit, 0b0100, False, 0b0100, "READ"),
]


@pytest.mark.parametrize(("call", "before", "answer", "after", "access"), TABLE)
def test_operation(events, call, before, answer, after, access):
    seen = []

    def body():
        word = b.Bits()
        for nr in range(8):
            word.bit(nr).value = bool(before >> nr & 1)
        seen.append((call(3, word), word._value))

    assert [access for _, access in events(body)] == [access]
    assert seen == [(answer, after)]


def test_neighbours_do_not_conflict(machine):
    word = b.Bits()
    machine.thread("a", lambda: b.set_bit(1, word))
    machine.thread("b", lambda: b.set_bit(2, word))
    machine.thread("c", lambda: b.test_bit(1, word))
    machine.run()
    one, two, look = [e for e in machine.events if e.kind != "start"]
    assert not conflict(one, two)
    assert conflict(one, look)
    assert word._has(1)
    assert not word._has(3)
