# SPDX-License-Identifier: GPL-2.0-only
"""What each atomic operation returns, leaves, and lets others notice."""

from __future__ import annotations

import pytest

from pykmm.errors import RefcountError
from pykmm.linux import atomic as a

#: Call, value before, answer, value after, access class.
TABLE = [
    ("atomic_read", lambda v: a.atomic_read(v), 3, 3, 3, "READ"),
    ("atomic_set", lambda v: a.atomic_set(v, 9), 3, None, 9, "WRITE"),
    ("atomic_inc", lambda v: a.atomic_inc(v), 3, None, 4, "INC"),
    ("atomic_inc", lambda v: a.atomic_inc(v), 0, None, 1, "WRITE"),
    ("atomic_dec", lambda v: a.atomic_dec(v), 3, None, 2, "DEC"),
    ("atomic_dec", lambda v: a.atomic_dec(v), 1, None, 0, "WRITE"),
    ("atomic_dec", lambda v: a.atomic_dec(v), 0, None, -1, "WRITE"),
    ("atomic_add", lambda v: a.atomic_add(5, v), 3, None, 8, "ADD"),
    ("atomic_sub", lambda v: a.atomic_sub(5, v), 3, None, -2, "ADD"),
    ("atomic_inc_return", lambda v: a.atomic_inc_return(v), 3, 4, 4, "WRITE"),
    ("atomic_dec_return", lambda v: a.atomic_dec_return(v), 3, 2, 2, "WRITE"),
    ("atomic_add_return", lambda v: a.atomic_add_return(5, v), 3, 8, 8, "WRITE"),
    ("atomic_sub_return", lambda v: a.atomic_sub_return(5, v), 3, -2, -2, "WRITE"),
    ("atomic_inc_and_test", lambda v: a.atomic_inc_and_test(v), -1, True, 0, "WRITE"),
    ("atomic_inc_and_test", lambda v: a.atomic_inc_and_test(v), 0, False, 1, "WRITE"),
    ("atomic_dec_and_test", lambda v: a.atomic_dec_and_test(v), 2, False, 1, "DEC"),
    ("atomic_dec_and_test", lambda v: a.atomic_dec_and_test(v), 1, True, 0, "WRITE"),
    ("atomic_inc_not_zero", lambda v: a.atomic_inc_not_zero(v), 0, False, 0, "READ"),
    ("atomic_inc_not_zero", lambda v: a.atomic_inc_not_zero(v), 1, True, 2, "INC"),
    ("atomic_add_unless", lambda v: a.atomic_add_unless(v, 4, 2), 2, False, 2, "READ"),
    ("atomic_add_unless", lambda v: a.atomic_add_unless(v, 4, 2), 3, True, 7, "WRITE"),
    ("atomic_cmpxchg", lambda v: a.atomic_cmpxchg(v, 3, 8), 3, 3, 8, "WRITE"),
    ("atomic_cmpxchg", lambda v: a.atomic_cmpxchg(v, 3, 8), 4, 4, 4, "READ"),
    ("atomic_xchg", lambda v: a.atomic_xchg(v, 8), 3, 3, 8, "WRITE"),
    ("atomic_read", lambda v: a.atomic_long_read(v), 3, 3, 3, "READ"),
    ("atomic_set", lambda v: a.atomic_long_set(v, 8), 3, None, 8, "WRITE"),
    ("atomic_long_add", lambda v: a.atomic_long_add(8, v), 3, None, 11, "ADD"),
    ("atomic_long_sub", lambda v: a.atomic_long_sub(8, v), 3, None, -5, "ADD"),
    ("atomic_long_inc", lambda v: a.atomic_long_inc(v), 3, None, 4, "ADD"),
    ("atomic_long_dec", lambda v: a.atomic_long_dec(v), 3, None, 2, "ADD"),
]


@pytest.mark.parametrize(("kind", "call", "before", "answer", "after", "access"), TABLE)
def test_operation(events, kind, call, before, answer, after, access):
    seen = []

    def body():
        v = a.atomic_long_t(before)
        seen.append((call(v), v.counter))

    assert events(body) == [(kind, access)]
    assert seen == [(answer, after)]


def test_whose_drop_is_the_last_is_told_where_nobody_may_care(events):
    told = []

    def body():
        v = a.atomic_t(2)
        told.extend([a._drop(v), v.counter, a._drop(v), v.counter])

    assert events(body) == [("atomic_dec_and_call", "DROP")] * 2
    assert told == [False, 1, True, 0]


@pytest.mark.parametrize("drop", [a.atomic_dec_and_test, a._drop])
def test_dropping_below_zero_names_object_value_and_culprit(machine, drop):
    v = a.atomic_t(0)
    machine.thread("culprit", lambda: drop(v))
    with pytest.raises(RefcountError, match="drops below zero: 0 -> -1") as e:
        machine.run()
    assert e.value.summary.startswith("atomic_t#1 ")
    assert ("dropped by", "culprit") in e.value.facts


@pytest.mark.parametrize(
    ("make", "bound"), [(a.atomic_t, 1 << 31), (a.atomic_long_t, 1 << 63)]
)
def test_leaving_the_range_is_reported(machine, make, bound):
    v = make(bound - 1)
    with pytest.raises(RefcountError, match="leaves the range of its type"):
        a.atomic_inc(v)
    a.atomic_set(v, -bound)
    with pytest.raises(RefcountError, match="leaves the range of its type"):
        a.atomic_add(-1, v)
