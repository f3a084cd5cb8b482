# SPDX-License-Identifier: GPL-2.0-only
"""What a new task shares with its maker — ``include/uapi/linux/sched.h``."""

from __future__ import annotations

from typing import Final

__all__ = [
    "CLONE_AUTOREAP",
    "CLONE_CHILD_CLEARTID",
    "CLONE_CHILD_SETTID",
    "CLONE_CLEAR_SIGHAND",
    "CLONE_DETACHED",
    "CLONE_EMPTY_MNTNS",
    "CLONE_FILES",
    "CLONE_FS",
    "CLONE_INTO_CGROUP",
    "CLONE_LEGACY_FLAGS",
    "CLONE_NEWNS",
    "CLONE_NEWPID",
    "CLONE_NEWTIME",
    "CLONE_NEWUSER",
    "CLONE_NNP",
    "CLONE_PARENT",
    "CLONE_PARENT_SETTID",
    "CLONE_PIDFD",
    "CLONE_PIDFD_AUTOKILL",
    "CLONE_SETTLS",
    "CLONE_SIGHAND",
    "CLONE_SYSVSEM",
    "CLONE_THREAD",
    "CLONE_UNTRACED",
    "CLONE_VFORK",
    "CLONE_VM",
    "CSIGNAL",
]

#: The bits of ``clone()``'s flags that are the signal of the child's death.
CSIGNAL: Final = 0xFF
CLONE_VM: Final = 0x100
CLONE_FS: Final = 0x200
CLONE_FILES: Final = 0x400
CLONE_SIGHAND: Final = 0x800
CLONE_PIDFD: Final = 0x1000
CLONE_VFORK: Final = 0x4000
CLONE_PARENT: Final = 0x8000
CLONE_THREAD: Final = 0x10000
CLONE_NEWNS: Final = 0x20000
CLONE_SYSVSEM: Final = 0x40000
CLONE_SETTLS: Final = 0x80000
CLONE_PARENT_SETTID: Final = 0x100000
CLONE_CHILD_CLEARTID: Final = 0x200000
CLONE_DETACHED: Final = 0x400000
CLONE_UNTRACED: Final = 0x800000
CLONE_CHILD_SETTID: Final = 0x1000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
#: All that ``clone()`` knows, and what only ``clone3()`` can be asked for.
CLONE_LEGACY_FLAGS: Final = 0xFFFFFFFF
CLONE_NEWTIME: Final = 0x80
CLONE_CLEAR_SIGHAND: Final = 1 << 32
CLONE_INTO_CGROUP: Final = 1 << 33
CLONE_AUTOREAP: Final = 1 << 34
CLONE_NNP: Final = 1 << 35
CLONE_PIDFD_AUTOKILL: Final = 1 << 36
CLONE_EMPTY_MNTNS: Final = 1 << 37
