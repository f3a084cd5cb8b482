# SPDX-License-Identifier: GPL-2.0-only
"""The access classes are sound: what they let an explorer skip shows nothing new.

Each program is run under every schedule, and again under one schedule for each
way its steps depend on each other. Both must come to the same outcomes; a class
that claims too little makes the second miss one.
"""

from __future__ import annotations

import pytest

from pykmm.engine import Machine, Pool
from pykmm.errors import Report
from pykmm.linux import (
    atomic,
    completion,
    jiffies,
    mutex,
    rcupdate,
    refcount,
    rwsem,
    spinlock,
    timer,
    wait,
)
from pykmm.schedulers import Dfs, Dpor, Redundant, Verdict

MODES = {
    "r": (rwsem.down_read, rwsem.up_read),
    "w": (rwsem.down_write, rwsem.up_write),
    "R": (rwsem.down_read_killable, rwsem.up_read),
    "W": (rwsem.down_write_killable, rwsem.up_write),
    "t": (lambda sem: not rwsem.down_read_trylock(sem), rwsem.up_read),
}


def _semaphore(modes, *, kill):
    def program(m, task):
        sem, log, threads = rwsem.rw_semaphore(), [], []

        def body(name, down, up):
            ret = down(sem)
            if not ret:
                log.append(name)
                up(sem)
            return ret

        for number, mode in enumerate(modes):
            name = f"{mode}{number}"
            how = MODES[mode]
            t = m.thread(name, lambda name=name, how=how: body(name, *how))
            t.task = task if mode.isupper() else None
            threads.append(t)
        if kill:
            m.thread("k", lambda: task.kill(*threads))
        return lambda: (log, [t.result for t in threads])

    return program


def wait_and_wake(m, task):
    wq, flag = wait.wait_queue_head_t(), atomic.atomic_t()
    m.thread("w", lambda: wait.wait_event(wq, lambda: atomic.atomic_read(flag)))
    m.thread("k", lambda: (atomic.atomic_set(flag, 1), wait.wake_up(wq)))
    return lambda: None


def wait_wrongly(m, task):
    wq, flag = wait.wait_queue_head_t(), atomic.atomic_t()

    def waiter():
        looked = []
        if not atomic.atomic_read(flag):
            wait.wait_event(wq, lambda: looked.append(0) or len(looked) > 2)

    m.thread("w", waiter)
    m.thread("k", lambda: (atomic.atomic_set(flag, 1), wait.wake_up(wq)))
    return lambda: None


def wait_or_die(m, task):
    wq, flag = wait.wait_queue_head_t(), atomic.atomic_t()
    t = m.thread(
        "w", lambda: wait.wait_event_killable(wq, lambda: atomic.atomic_read(flag))
    )
    t.task = task
    m.thread("k", lambda: (task.kill(t), atomic.atomic_set(flag, 1), wait.wake_up(wq)))
    return lambda: t.result


def wait_or_time_out(m, task):
    wq, flag = wait.wait_queue_head_t(), atomic.atomic_t()

    def waiter():
        return wait.wait_event_timeout(wq, lambda: atomic.atomic_read(flag), 10)

    t = m.thread("w", waiter)
    m.thread("k", lambda: (atomic.atomic_set(flag, 1), wait.wake_up(wq)))
    return lambda: (t.result, m.clock.now)


def mutex_or_die(m, task):
    lock = mutex.mutex()

    def holder():
        with lock:
            pass

    def waiter():
        ret = mutex.mutex_lock_killable(lock)
        if not ret:
            mutex.mutex_unlock(lock)
        return ret

    m.thread("h", holder)
    t = m.thread("v", waiter)
    t.task = task
    m.thread("k", lambda: task.kill(t))
    return lambda: t.result


def completion_or_die(m, task):
    x = completion.completion()
    t = m.thread("v", lambda: completion.wait_for_completion_killable(x))
    t.task = task
    m.thread("c", lambda: completion.complete(x))
    m.thread("k", lambda: task.kill(t))
    return lambda: (t.result, x.done)


def completions(m, task):
    x, log = completion.completion(), []

    def body(name):
        completion.wait_for_completion(x)
        log.append(name)

    for name in "ab":
        m.thread(name, lambda name=name: body(name))
    for name in "cd":
        m.thread(name, lambda: completion.complete(x))
    return lambda: log


def grace_period(m, task):
    seen, value = [], atomic.atomic_t()

    def reader():
        with rcupdate.rcu():
            seen.append((atomic.atomic_read(value), atomic.atomic_read(value)))

    def updater():
        rcupdate.call_rcu(lambda: atomic.atomic_set(value, 2))
        rcupdate.synchronize_rcu()
        atomic.atomic_set(value, 1)

    m.thread("r", reader)
    m.thread("u", updater)
    return lambda: (seen, value.counter)


def timer_against_delete(m, task):
    it, fired = timer.timer_list(), atomic.atomic_t()
    timer.timer_setup(it, lambda _: atomic.atomic_inc(fired))

    def body():
        timer.mod_timer(it, jiffies.jiffies() + 5)
        return atomic.atomic_read(fired), timer.timer_delete(it)

    t = m.thread("a", body)
    other = m.thread("j", jiffies.jiffies)
    return lambda: (t.result, fired.counter, other.result)


def timers_in_order(m, task):
    count, seen = atomic.atomic_t(), []

    def arm(name, due):
        it = timer.timer_list()
        timer.timer_setup(
            it, lambda _: seen.append((name, atomic.atomic_inc_return(count)))
        )
        timer.mod_timer(it, due)

    m.thread("a", lambda: arm("early", 1005))
    m.thread("b", lambda: arm("late", 1009))
    return lambda: (sorted(seen), m.clock.now)


def sleeps(m, task):
    log = []

    def body(span):
        jiffies.schedule_timeout_idle(span)
        log.append(jiffies.jiffies())

    m.thread("a", lambda: body(3))
    m.thread("b", lambda: body(4))
    return lambda: log


def spinning(m, task):
    lock, log = spinlock.spinlock_t(), []

    def body(name):
        with lock:
            log.append(name)

    for name in "abc":
        m.thread(name, lambda name=name: body(name))
    return lambda: log


def references(m, task):
    ref = refcount.refcount_t(1)

    def get():
        if refcount.refcount_inc_not_zero(ref):
            return refcount.refcount_dec_and_test(ref)
        return None

    threads = [m.thread("a", get), m.thread("b", get)]
    threads.append(m.thread("c", lambda: refcount.refcount_dec_and_test(ref)))
    return lambda: [t.result for t in threads]


PROGRAMS = {
    "killed reader": _semaphore("wR", kill=True),
    "killed writer": _semaphore("wW", kill=True),
    "killed behind a reader": _semaphore("rW", kill=True),
    "reader, writer, reader": _semaphore("rwr", kill=False),
    "writers": _semaphore("www", kill=False),
    "trylock": _semaphore("rwt", kill=False),
    **{
        program.__name__: program
        for program in (
            *(wait_and_wake, wait_wrongly, wait_or_die, wait_or_time_out),
            *(mutex_or_die, completion_or_die, completions, grace_period),
            *(timer_against_delete, timers_in_order, sleeps, spinning, references),
        )
    },
}


def _one(program, scheduler, pool, victim):
    """Run *program* once; return its machine and its outcome, None if cut short."""
    with Machine(scheduler=scheduler, pool=pool) as m:
        outcome = program(m, victim())
        try:
            m.run()
        except Redundant:
            return m, None
        except Report as report:
            return m, f"{report.kind}: {report.summary}"
        return m, repr(outcome())


def _outcomes(program, explorer, victim):
    """Return the outcomes that *explorer* comes to, and how many runs that took."""
    found, runs = {}, 0
    with Pool() as pool:
        while (scheduler := explorer.begin()) is not None:
            machine, outcome = _one(program, scheduler, pool, victim)
            runs += 1
            verdict = explorer.end(machine)
            if verdict is Verdict.RESTART:
                found.clear()
            elif verdict is Verdict.NEW:
                found[outcome] = None
    return sorted(found), runs


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_missed(name, victim):
    every, all_runs = _outcomes(PROGRAMS[name], Dfs(), victim)
    found, runs = _outcomes(PROGRAMS[name], Dpor(), victim)
    assert found == every
    assert runs < all_runs


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("killed reader", "-EINTR"),
        ("killed writer", "-EINTR"),
        ("killed reader", "[None, 0]"),
        ("mutex_or_die", "-EINTR"),
        ("completion_or_die", "-ERESTARTSYS"),
        ("wait_or_die", "-ERESTARTSYS"),
        ("wait_or_die", "0"),
        ("wait_wrongly", "w can never go on"),
        ("trylock", "True"),
        ("wait_or_time_out", "(0, 1010)"),
        ("timer_against_delete", "True), 0"),
        ("timer_against_delete", "False), 1"),
    ],
)
def test_rare_outcomes_are_found(name, some, victim):
    found, _ = _outcomes(PROGRAMS[name], Dpor(), victim)
    assert any(some in outcome for outcome in found), found
