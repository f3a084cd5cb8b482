# SPDX-License-Identifier: GPL-2.0-only
"""Names, identities and lives of primitives."""

from __future__ import annotations

import pytest

from pykmm.engine import Machine, Root, Struct
from pykmm.errors import UsageError, UseAfterFree
from pykmm.linux.atomic import atomic_inc, atomic_read, atomic_t
from pykmm.linux.bitops import Bits, set_bit
from pykmm.linux.rwsem import down_read, down_write, rw_semaphore
from pykmm.linux.spinlock import DEFINE_SPINLOCK, spin_lock, spinlock_t
from pykmm.linux.wait import wait_event, wait_queue_head_t


class box(Struct):
    def __init__(self):
        self.lock = spinlock_t(self)
        self.counts = [atomic_t(0, self), atomic_t(0, self)]
        self.flags = Bits(self)
        self._register()


class Statics(Root):
    def __init__(self):
        super().__init__()
        self.some_lock = DEFINE_SPINLOCK(self)


def test_owned_ones_are_named_after_their_field(machine):
    it = box()
    assert it.lock.name == "box#1.lock"
    assert it.counts[1].name == "box#1.counts[1]"
    assert it.flags.bit(5).name == "box#1.flags[5]"
    assert Statics().some_lock.name == "Statics#1.some_lock"
    assert repr(it.lock) == "<box#1.lock>"


def test_standalone_ones_are_counted(machine):
    assert [spinlock_t().name, spinlock_t().name] == ["spinlock_t#1", "spinlock_t#2"]
    assert not machine.alive


def test_identity_does_not_depend_on_who_was_first(scripted):
    def uids(script):
        found = {}

        def body(name):
            a, b, c = spinlock_t(), spinlock_t(), box()
            found[name] = [a.uid, b.uid, c.lock.uid, c.flags.bit(3).uid]

        with scripted(script) as m:
            m.thread("a", lambda: body("a"))
            m.thread("b", lambda: body("b"))
            m.run()
        return found

    one, other = uids("a b"), uids("b a")
    assert one == other
    assert len({*one["a"], *one["b"]}) == 8


@pytest.mark.parametrize(
    "touch",
    [
        lambda it: spin_lock(it.lock),
        lambda it: atomic_read(it.counts[0]),
        lambda it: set_bit(1, it.flags),
    ],
)
def test_touching_a_part_of_a_dead_structure_is_reported(lab, touch):
    with lab.machine(0) as m:
        it = box()
        it._free()
        m.thread("late", lambda: touch(it))
        with pytest.raises(UseAfterFree, match="box#1 was touched"):
            m.run()


def test_the_host_is_not_left_waiting(machine):
    sem, wq = rw_semaphore(), wait_queue_head_t()
    down_write(sem)
    for wait in (
        lambda: down_read(sem),
        lambda: down_write(sem),
        lambda: wait_event(wq, lambda: False),
    ):
        with pytest.raises(UsageError, match="host code would have to wait"):
            wait()
    assert not sem.queue
    assert not wq.entries


def test_a_report_inside_a_section_is_not_masked(lab):
    with lab.machine(0) as m:
        lock, count = spinlock_t(), atomic_t((1 << 31) - 1)

        def body():
            with lock:
                atomic_inc(count)

        m.thread("t", body)
        m.thread("other", lambda: spin_lock(lock) or lock._release())
        with pytest.raises(Exception, match="leaves the range") as caught:
            m.run()
        assert caught.value.thread == "t"
        assert caught.value.held == ("spinlock_t#1",)


def test_two_machines_do_not_know_each_other():
    with Machine() as one:
        lock = spinlock_t()
        with Machine() as other:
            assert spinlock_t().name == lock.name
            assert other is not one
