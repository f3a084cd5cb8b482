# SPDX-License-Identifier: GPL-2.0-only
"""Acting as another user or group — part of ``kernel/sys.c``.

A thread changes its own credentials alone: that a C library has all threads of a
process change theirs is not the kernel's doing.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import evolve, frozen

from ..engine.annotate import mirrors
from ..errno import EINVAL, EPERM
from ..linux.cred import CAP_EMPTY_SET, cred
from ..linux.resource import RLIMIT_NPROC
from ..linux.sched import PF_NPROC_EXCEEDED, current
from ..linux.sched.signal import rlimit
from ..linux.uapi import CAP_SETGID, CAP_SETUID
from .capability import ns_capable
from .cred import commit_creds
from .ucount import is_rlimit_overlimit

__all__ = [
    "__sys_setgid",
    "__sys_setregid",
    "__sys_setresgid",
    "__sys_setresuid",
    "__sys_setreuid",
    "__sys_setuid",
]

#: Stands for a number that is to stay as it is.
_KEEP: Final = -1
_ROOT: Final = 0


@frozen
class _Ids:
    """Three numbers of one sort: the real, the effective and the saved one."""

    names: tuple[str, str, str]
    cap: int

    def of(self, who: cred) -> tuple[int, int, int]:
        real, effective, saved = (getattr(who, name) for name in self.names)
        return real, effective, saved

    def may(self, wanted: int, allowed: tuple[int, ...]) -> bool:
        """Tell whether current may take a number: one of its own, or any."""
        own = wanted in (_KEEP, *allowed)
        return own or ns_capable(current().cred.user_ns, self.cap)

    def become(self, real: int, effective: int, saved: int) -> int:
        """Act under these numbers from now on, which current may."""
        old = current().cred
        changes: dict[str, Any] = dict(
            zip(self.names, (real, effective, saved), strict=True)
        )
        new = evolve(old, **changes)
        if self is _UIDS:
            new = _fix_capabilities(new, old)
            _flag_nproc_exceeded(new)
        return commit_creds(new)


_UIDS: Final = _Ids(("uid", "euid", "suid"), CAP_SETUID)
_GIDS: Final = _Ids(("gid", "egid", "sgid"), CAP_SETGID)


def _fix_capabilities(new: cred, old: cred) -> cred:
    """Give root's capabilities up with root's number, and take them back with it.

    That is what the default security module does; nobody asked it to keep them.
    """
    permitted, effective = new.cap_permitted, new.cap_effective
    if _ROOT in _UIDS.of(old) and _ROOT not in _UIDS.of(new):
        permitted = effective = CAP_EMPTY_SET
    if old.euid == _ROOT and new.euid != _ROOT:
        effective = CAP_EMPTY_SET
    if old.euid != _ROOT and new.euid == _ROOT:
        effective = permitted
    return evolve(new, cap_permitted=permitted, cap_effective=effective)


def _flag_nproc_exceeded(new: cred) -> None:
    """Have the next exec fail for a user who has too many processes already.

    Here nothing fails: too many programs would go on as root without noticing.
    """
    task = current()
    if new.uid == task.cred.uid:
        return
    exceeded = is_rlimit_overlimit(new.uid, rlimit(RLIMIT_NPROC))
    if exceeded != bool(task.flags & PF_NPROC_EXCEEDED):
        task.flags ^= PF_NPROC_EXCEEDED


def _set(ids: _Ids, number: int) -> int:
    if number < 0:
        return -EINVAL
    real, _, saved = ids.of(current().cred)
    if ns_capable(current().cred.user_ns, ids.cap):
        return ids.become(number, number, number)
    if number in (real, saved):
        return ids.become(real, number, saved)
    return -EPERM


def _setre(ids: _Ids, real: int, effective: int) -> int:
    if min(real, effective) < _KEEP:
        return -EINVAL
    own = ids.of(current().cred)
    if not ids.may(real, own[:2]) or not ids.may(effective, own):
        return -EPERM
    saves = real != _KEEP or effective not in (_KEEP, own[0])
    new_real = own[0] if real == _KEEP else real
    new_effective = own[1] if effective == _KEEP else effective
    return ids.become(new_real, new_effective, new_effective if saves else own[2])


def _setres(ids: _Ids, *wanted: int) -> int:
    if min(wanted) < _KEEP:
        return -EINVAL
    own = ids.of(current().cred)
    if not all(ids.may(number, own) for number in wanted):
        return -EPERM
    real, effective, saved = (
        old if number == _KEEP else number
        for number, old in zip(wanted, own, strict=True)
    )
    return ids.become(real, effective, saved)


_ABRIDGED: Final = "users are not translated; no LSM but the default one; no fsuid"


@mirrors("kernel/sys.c", checked="v7.2", abridged=_ABRIDGED)
def __sys_setuid(uid: int) -> int:
    """Act as *uid*; for good, if current may become anybody.

    Return: 0; -EINVAL for no number; -EPERM.
    """
    return _set(_UIDS, uid)


@mirrors("kernel/sys.c", checked="v7.2", abridged=_ABRIDGED)
def __sys_setreuid(ruid: int, euid: int) -> int:
    """Set the real and the effective user, each unless it is -1.

    The saved one follows the effective one, unless that is the real one as before.

    Return: As :func:`__sys_setuid`.
    """
    return _setre(_UIDS, ruid, euid)


@mirrors("kernel/sys.c", checked="v7.2", abridged=_ABRIDGED)
def __sys_setresuid(ruid: int, euid: int, suid: int) -> int:
    """Set the real, the effective and the saved user, each unless it is -1.

    Return: As :func:`__sys_setuid`.
    """
    return _setres(_UIDS, ruid, euid, suid)


@mirrors("kernel/sys.c", checked="v7.2", abridged=_ABRIDGED)
def __sys_setgid(gid: int) -> int:
    """Act as *gid*; for good, if current may belong to any group.

    Return: As :func:`__sys_setuid`.
    """
    return _set(_GIDS, gid)


@mirrors("kernel/sys.c", checked="v7.2", abridged=_ABRIDGED)
def __sys_setregid(rgid: int, egid: int) -> int:
    """Set the real and the effective group, as :func:`__sys_setreuid` does users.

    Return: As :func:`__sys_setuid`.
    """
    return _setre(_GIDS, rgid, egid)


@mirrors("kernel/sys.c", checked="v7.2", abridged=_ABRIDGED)
def __sys_setresgid(rgid: int, egid: int, sgid: int) -> int:
    """Set the real, the effective and the saved group, each unless it is -1.

    Return: As :func:`__sys_setuid`.
    """
    return _setres(_GIDS, rgid, egid, sgid)
