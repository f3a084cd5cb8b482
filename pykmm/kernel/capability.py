# SPDX-License-Identifier: GPL-2.0-only
"""What a task may do beyond others — ``kernel/capability.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.compiler import READ_ONCE
from ..linux.cred import cred, init_user_ns, user_namespace
from ..linux.sched import current, task_struct
from ..linux.uapi import CAP_SYS_PTRACE

__all__ = [
    "capable",
    "has_capability_noaudit",
    "has_ns_capability",
    "ns_capable",
    "ptracer_capable",
]


def _cap_capable(own: cred, target_ns: user_namespace, cap: int) -> bool:
    """Tell whether *own* has *cap* in a namespace: its own, or one below.

    Who made a namespace below may everything in it.
    """
    ns: user_namespace | None = target_ns
    while ns is not None:
        if ns is own.user_ns:
            return cap in own.cap_effective
        if ns.level <= own.user_ns.level:
            return False
        if ns.parent is own.user_ns and ns.owner == own.euid:
            return True
        ns = ns.parent
    return False


@mirrors("kernel/capability.c", checked="v7.2", abridged="no LSM but the default one")
def has_ns_capability(t: task_struct, ns: user_namespace, cap: int) -> bool:
    """Tell whether *t* has the capability *cap* in *ns*.

    Context: Any.
    """
    return _cap_capable(t.cred, ns, cap)


@mirrors("kernel/capability.c", checked="v7.2", abridged="no LSM but the default one")
def has_capability_noaudit(t: task_struct, cap: int) -> bool:
    """Tell whether *t* has the capability *cap* everywhere, without leaving a trace.

    Context: Any.
    """
    return _cap_capable(t.cred, init_user_ns, cap)


@mirrors("kernel/capability.c", checked="v7.2", abridged="no LSM but the default one")
def ns_capable(ns: user_namespace, cap: int) -> bool:
    """Tell whether current has the capability *cap* in *ns*.

    Context: Any.
    """
    return _cap_capable(current().cred, ns, cap)


@mirrors("kernel/capability.c", checked="v7.2")
def capable(cap: int) -> bool:
    """Tell whether current has the capability *cap* everywhere.

    Context: Any.
    """
    return ns_capable(init_user_ns, cap)


@mirrors("kernel/capability.c", checked="v7.2", abridged="no LSM but the default one")
def ptracer_capable(tsk: task_struct, ns: user_namespace) -> bool:
    """Tell whether *tsk*'s tracer might trace anybody in *ns*, or there is none.

    Context: Any.
    """
    tracer = READ_ONCE(tsk).ptracer_cred
    return tracer is None or _cap_capable(tracer, ns, CAP_SYS_PTRACE)
