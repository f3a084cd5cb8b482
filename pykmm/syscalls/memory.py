# SPDX-License-Identifier: GPL-2.0-only
"""System calls about memory, and touching it."""

from __future__ import annotations

from ..errno import EINVAL
from ..kernel import sys as _sys
from ..kernel.entry.fault import touch as _touch
from ..linux.mm import PAGE_MASK, PAGE_SHIFT
from ..linux.uapi_mman import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from ..mm import madvise as _madvise
from ..mm import madvise_process as _madvise_process
from ..mm import mlock as _mlock
from ..mm import mmap_sys as _mmap_sys
from ..mm import mprotect as _mprotect
from ..mm import mremap_call as _mremap
from ..mm import mseal as _mseal
from ..mm import oom_kill as _oom_kill
from ..mm import process_vm_access as _vm_access
from ..mm import swapfile_off as _swapfile
from ._arguments import checked
from ._return import syscall

__all__ = [
    "brk",
    "madvise",
    "mlock",
    "mlock2",
    "mlockall",
    "mmap",
    "mprotect",
    "mremap",
    "mseal",
    "munlock",
    "munlockall",
    "munmap",
    "process_madvise",
    "process_mrelease",
    "process_vm_readv",
    "process_vm_writev",
    "setrlimit",
    "swapoff",
    "swapon",
    "touch",
]

touch = checked(_touch)
setrlimit = syscall(_sys.setrlimit)
process_mrelease = syscall(_oom_kill.process_mrelease, ints=True)
process_vm_readv = syscall(_vm_access.process_vm_readv)
process_vm_writev = syscall(_vm_access.process_vm_writev)
brk = syscall(_mmap_sys.brk)
munmap = syscall(_mmap_sys.munmap)
mprotect = syscall(_mprotect.mprotect)
mremap = syscall(_mremap.mremap)
madvise = syscall(_madvise.madvise)
process_madvise = syscall(_madvise_process.process_madvise)
mlock = syscall(_mlock.mlock)
mlock2 = syscall(_mlock.mlock2)
munlock = syscall(_mlock.munlock)
mlockall = syscall(_mlock.mlockall)
munlockall = syscall(_mlock.munlockall)
swapoff = syscall(_swapfile.swapoff)
swapon = syscall(_swapfile.swapon)


@syscall
def mmap(
    addr: int,
    length: int | None = None,
    prot: int = PROT_READ | PROT_WRITE,
    flags: int = MAP_PRIVATE | MAP_ANONYMOUS,
    fd: int = -1,
    offset: int = 0,
) -> int:
    """Map *length* bytes: the address, or a negative errno.

    With one argument it is the length, and all else as ``malloc()`` wants it: private
    memory, anywhere. No page is there until it is touched (:func:`touch`).
    """
    if length is None:
        addr, length = 0, addr
    if offset & ~PAGE_MASK:
        return -EINVAL
    return _mmap_sys.ksys_mmap_pgoff(
        addr, length, prot, flags, fd, offset >> PAGE_SHIFT
    )


@syscall
def mseal(addr: int, length: int, flags: int = 0) -> int:
    """Forbid for good to unmap, move, or change a range: 0, or a negative errno."""
    return _mseal.do_mseal(addr, length, flags)
