# SPDX-License-Identifier: GPL-2.0-only
"""Reference counts: ordinary use, and each way to abuse one."""

from __future__ import annotations

import pytest

from pykmm.engine.annotate import original
from pykmm.errors import RefcountError
from pykmm.linux import refcount as r

SATURATED = r.REFCOUNT_SATURATED

#: Call, count before, answer, count after, access class.
TABLE = [
    (lambda c: r.refcount_read(c), 3, 3, 3, "READ"),
    (lambda c: r.refcount_set(c, 5), 3, None, 5, "WRITE"),
    (lambda c: r.refcount_inc(c), 3, None, 4, "INC"),
    (lambda c: r.refcount_add(4, c), 3, None, 7, "INC"),
    (lambda c: r.refcount_inc_not_zero(c), 3, True, 4, "INC"),
    (lambda c: r.refcount_inc_not_zero(c), 0, False, 0, "READ"),
    (lambda c: r.refcount_dec(c), 3, None, 2, "DEC"),
    (lambda c: r.refcount_dec_and_test(c), 3, False, 2, "DEC"),
    (lambda c: r.refcount_dec_and_test(c), 1, True, 0, "WRITE"),
]

#: Call, count before, what is said, and what the call returns if that is no end.
ABUSE = [
    (lambda c: r.refcount_inc(c), 0, "addition on 0; use-after-free", None),
    (lambda c: r.refcount_add(2, c), 0, "addition on 0; use-after-free", None),
    (lambda c: r.refcount_inc(c), r.REFCOUNT_MAX, "saturated; leaking memory", None),
    (lambda c: r.refcount_inc(c), SATURATED, "saturated; leaking memory", None),
    (
        lambda c: r.refcount_inc_not_zero(c),
        r.REFCOUNT_MAX,
        "saturated; leaking memory",
        True,
    ),
    (lambda c: r.refcount_dec_and_test(c), 0, "underflow; use-after-free", False),
    (lambda c: r.refcount_dec_and_test(c), SATURATED, "underflow", False),
    (lambda c: r.refcount_dec(c), 1, "decrement hit 0; leaking memory", None),
    (lambda c: r.refcount_dec(c), 0, "decrement hit 0; leaking memory", None),
]


@pytest.mark.parametrize(("call", "before", "answer", "after", "access"), TABLE)
def test_operation(events, call, before, answer, after, access):
    seen = []

    def body():
        count = r.refcount_t(before)
        seen.append((call(count), count.refs))

    assert [access for _, access in events(body)] == [access]
    assert seen == [(answer, after)]


@pytest.mark.parametrize(("call", "before", "said", "_"), ABUSE)
def test_abuse_is_reported(machine, call, before, said, _):
    count = r.refcount_t(before)
    machine.thread("culprit", lambda: call(count))
    with pytest.raises(RefcountError, match=said) as caught:
        machine.run()
    assert "refcount_t#1" in caught.value.summary
    assert caught.value.facts == [("value", str(before)), ("by", "culprit")]


@pytest.mark.parametrize(("call", "before", "said", "answer"), ABUSE)
def test_abuse_can_be_made_harmless(machine, call, before, said, answer):
    log = []
    machine.patches[original(r.refcount_warn_saturate)] = lambda c, how: log.append(
        how.value
    )
    count = r.refcount_t(before)
    t = machine.thread("t", lambda: call(count))
    machine.run()
    assert t.result is answer
    assert count.refs == SATURATED
    assert len(log) == 1
    assert said in log[0]
    assert machine.events[-1].access.name == "WRITE"
