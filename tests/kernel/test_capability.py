# SPDX-License-Identifier: GPL-2.0-only
"""Who may do what: credentials, and capabilities in user namespaces."""

from __future__ import annotations

from pykmm import Machine
from pykmm.kernel.capability import (
    capable,
    has_capability_noaudit,
    has_ns_capability,
    ns_capable,
)
from pykmm.linux.cred import CAP_FULL_SET, cred, init_user_ns, user_namespace
from pykmm.linux.uapi import CAP_KILL, CAP_SYS_ADMIN

NOBODY = 65534


def ask(machine: Machine, own: cred) -> object:
    """Return what current may, who acts as *own*: CAP_KILL, CAP_SYS_ADMIN."""
    program = machine.spawn("program")
    program.task.cred = own
    program.runs(lambda: (capable(CAP_KILL), capable(CAP_SYS_ADMIN)))
    machine.run()
    return program.result


def test_root_may_everything_by_default_and_others_nothing() -> None:
    with Machine() as m:
        assert ask(m, cred()) == (True, True)
        assert ask(m, cred(uid=NOBODY)) == (False, False)


def test_capabilities_go_by_the_effective_user_unless_given() -> None:
    assert cred(uid=NOBODY, euid=0).cap_effective == CAP_FULL_SET
    with Machine() as m:
        assert ask(m, cred(euid=NOBODY)) == (False, False)
        assert ask(m, cred(cap_effective=frozenset({CAP_KILL}))) == (True, False)


def test_spawned_processes_have_their_users_credentials() -> None:
    with Machine() as m:
        p, q = m.spawn("p", threads=2), m.spawn("q", uid=NOBODY)
        assert p.task.cred == cred()
        assert q.task.cred == cred(uid=NOBODY, euid=NOBODY, suid=NOBODY)
        assert has_capability_noaudit(p.task, CAP_KILL)
        assert not has_capability_noaudit(q.task, CAP_KILL)


def test_a_namespace_below_is_its_makers_and_none_above_is() -> None:
    mine = user_namespace(init_user_ns, 1, NOBODY)
    below = user_namespace(mine, 2, owner=7)
    beside = user_namespace(init_user_ns, 1, owner=7)
    with Machine() as m:
        task = m.spawn("p", uid=NOBODY).task
        inner = m.spawn("q").task
        inner.cred = cred(uid=7, cap_effective=CAP_FULL_SET, user_ns=mine)
        assert [
            has_ns_capability(task, ns, CAP_KILL)
            for ns in (init_user_ns, mine, below, beside)
        ] == [False, True, True, False]
        assert [
            has_ns_capability(inner, ns, CAP_KILL)
            for ns in (init_user_ns, mine, below, beside)
        ] == [False, True, True, False]
        program = m.spawn("program")
        program.runs(lambda: [ns_capable(ns, CAP_KILL) for ns in (mine, beside)])
        m.run()
        assert program.result == [True, True]
