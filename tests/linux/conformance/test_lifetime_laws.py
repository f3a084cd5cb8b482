# SPDX-License-Identifier: GPL-2.0-only
"""Laws of what keeps objects: read sections, references, claims.

Model code cannot tell which backend runs it, so nothing here may either: each law
is tried on both, under many schedules.
"""

from __future__ import annotations

import pytest

from pykmm.errors import Deadlock, RefcountError
from pykmm.linux import atomic, bitops, completion, rcupdate, refcount


def test_grace_period_waits_for_readers_from_before(lab, until):
    for m in lab:
        order, here = [], atomic.atomic_t()

        def reader(order=order, here=here):
            with rcupdate.rcu():
                with rcupdate.rcu():
                    atomic.atomic_inc(here)
                assert rcupdate.rcu_read_lock_held()
                until(here, lambda: here.counter == 2)
                order.append("reader")
            assert not rcupdate.rcu_read_lock_held()

        def updater(order=order, here=here):
            until(here, lambda: here.counter == 1)
            rcupdate.call_rcu(lambda: order.append("callback"), "free")
            atomic.atomic_inc(here)
            rcupdate.synchronize_rcu()
            order.append("updater")

        m.thread("reader", reader)
        m.thread("updater", updater)
        m.run()
        assert order[0] == "reader"
        assert sorted(order[1:]) == ["callback", "updater"]


def test_grace_period_does_not_wait_for_later_readers(lab, until):
    for m in lab:
        here, ended = atomic.atomic_t(), completion.completion()

        def old(here=here):
            with rcupdate.rcu():
                atomic.atomic_inc(here)
                # Until the later reader is inside: both overlap.
                until(here, lambda: here.counter == 3)

        def updater(here=here, ended=ended):
            until(here, lambda: here.counter == 1)
            rcupdate.call_rcu(lambda: completion.complete(ended))
            atomic.atomic_inc(here)

        def late(here=here, ended=ended):
            until(here, lambda: here.counter == 2)
            with rcupdate.rcu():
                atomic.atomic_inc(here)
                until(ended, lambda: ended.done)

        for name, body in (("old", old), ("updater", updater), ("late", late)):
            m.thread(name, body)
        m.run()


def test_reader_that_never_leaves_is_found_at_rest(lab, until):
    with lab.machine(0) as m:
        here = atomic.atomic_t()

        def reader():
            with rcupdate.rcu():
                atomic.atomic_inc(here)
                until(here, lambda: here.counter == 5)

        def updater():
            until(here, lambda: here.counter == 1)
            rcupdate.synchronize_rcu()

        m.thread("reader", reader)
        m.thread("updater", updater)
        with pytest.raises(Deadlock, match="reader and updater"):
            m.run()


def test_exactly_one_drops_the_last_reference(lab):
    for m in lab:
        ref, plain = refcount.refcount_t(3), atomic.atomic_t(3)
        last = []

        def drop(ref=ref, plain=plain, last=last):
            if refcount.refcount_dec_and_test(ref):
                last.append("refcount")
            if atomic.atomic_dec_and_test(plain):
                last.append("atomic")

        for name in "abc":
            m.thread(name, drop)
        m.run()
        assert sorted(last) == ["atomic", "refcount"]


def test_nobody_revives_what_has_reached_zero(lab):
    for m in lab:
        ref, plain = refcount.refcount_t(1), atomic.atomic_t(1)

        def get(ref=ref, plain=plain):
            if refcount.refcount_inc_not_zero(ref):
                refcount.refcount_dec_and_test(ref)
            if atomic.atomic_inc_not_zero(plain):
                atomic.atomic_dec_and_test(plain)

        def put(ref=ref, plain=plain):
            refcount.refcount_dec_and_test(ref)
            atomic.atomic_dec_and_test(plain)

        for name, body in (("get", get), ("put", put), ("get2", get)):
            m.thread(name, body)
        m.run()
        assert (ref.refs, plain.counter) == (0, 0)


def test_underflow_is_reported(lab):
    for m in lab:
        ref = refcount.refcount_t(1)
        m.thread("a", lambda ref=ref: refcount.refcount_dec_and_test(ref))
        m.thread("b", lambda ref=ref: refcount.refcount_dec_and_test(ref))
        with pytest.raises(RefcountError, match="underflow"):
            m.run()


def test_exactly_one_sets_a_bit(lab):
    for m in lab:
        word, won = bitops.Bits(), []
        for name in "abc":
            m.thread(
                name,
                lambda word=word, won=won: won.append(bitops.test_and_set_bit(3, word)),
            )
        m.run()
        assert sorted(won) == [False, True, True]
        assert word._value == 8
