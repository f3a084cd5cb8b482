# SPDX-License-Identifier: GPL-2.0-only
"""What a program's memory looks like when it begins — ``fs/binfmt_elf.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import EFAULT, Errno
from ..linux.binfmts import linux_binprm
from ..linux.mm import PAGE_SIZE, TASK_SIZE
from ..linux.mm_types import file
from ..linux.uaccess import copy_to_user
from ..linux.uapi import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from ..linux.uapi_mman import MAP_FIXED, MAP_GROWSDOWN, PROT_EXEC
from ..mm.util_mmap import vm_mmap_pgoff
from .exec_begin import begin_new_exec, setup_new_exec

__all__ = ["TEXT_SIZE", "load_elf_binary"]

_TEXT: Final = 0x400000
_DATA: Final = 0x600000
#: How much there is of a program's file.
TEXT_SIZE: Final = 4 * PAGE_SIZE
_DATA_SIZE: Final = 2 * PAGE_SIZE
_STACK_SIZE: Final = 33 * PAGE_SIZE
#: Where arguments, environment and what the kernel tells begin.
_ARGUMENTS: Final = TASK_SIZE - 512


def _map(opened: file | None, addr: int, length: int, prot: int, flags: int = 0) -> int:
    flags |= MAP_PRIVATE | MAP_FIXED
    if opened is None:
        flags |= MAP_ANONYMOUS
    found = vm_mmap_pgoff(opened, addr, length, prot, flags, 0)
    return found if isinstance(found, Errno) else 0


def _map_all(opened: file) -> int:
    data = PROT_READ | PROT_WRITE
    stack = TASK_SIZE - _STACK_SIZE
    return (
        _map(None, stack, _STACK_SIZE, data, MAP_GROWSDOWN)
        or _map(opened, _TEXT, TEXT_SIZE, PROT_READ | PROT_EXEC)
        or _map(None, _DATA, _DATA_SIZE, data)
    )


@mirrors(
    "fs/binfmt_elf.c",
    checked="v7.2",
    abridged="every program has text, data and a stack of one size at one place; the "
    "stack is mapped here, not before the old program is lost",
)
def load_elf_binary(bprm: linux_binprm) -> int:
    """Run the program in place of current's: map its file, its data and a stack.

    Context: cred_guard_mutex held. May sleep.
    Return: 0; an error, after which current has no program to return to.
    """
    retval = begin_new_exec(bprm)
    if retval:
        return retval
    setup_new_exec(bprm)
    retval = _map_all(bprm.file)
    if retval:
        return retval
    # The rest of the last page of data, and what the program is told.
    if copy_to_user(_DATA, 8) or copy_to_user(_ARGUMENTS, 8):
        return -EFAULT
    return 0
