# SPDX-License-Identifier: GPL-2.0-only
"""What is handed to system calls: who is told of a mistake, and of which."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from pykmm import Machine, UsageError, syscalls
from pykmm.errno import EBADF, ENOMEM
from pykmm.linux.uaccess import UserWord
from pykmm.syscalls import (
    clone3,
    close,
    execve,
    exit_group,
    fallocate,
    fork,
    futex,
    kill,
    mmap,
    munmap,
    open,
    poll,
    process_madvise,
    process_vm_readv,
    pthread_join,
    set_robust_list,
    setuid,
    sigaction,
    sigprocmask,
    touch,
    vfork,
    waitid,
    write,
)
from pykmm.syscalls._arguments import _KINDS, checked

WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "poll": (lambda: poll("x"), "poll(): fd='x' must be a whole number"),
    "wait": (lambda: poll(3, wait=1), "poll(): wait=1 must be True or False"),
    "mmap": (lambda: mmap("4K"), "mmap(): addr='4K' must be a whole number"),
    "float": (lambda: mmap(0, 4096.0), "mmap(): length=4096.0 must be a whole number"),
    "None": (lambda: munmap(None, 1), "munmap(): addr=None must be a whole number"),
    "ints": (lambda: kill(1, sig="9"), "kill(): sig='9' must be a whole number"),
    "path": (lambda: open(5), "open(): path=5 must be text"),
    "text": (lambda: write(1, 5), "write(): text=5 must be bytes or text, or None"),
    "touch": (lambda: touch("x", 1), "touch(): addr='x' must be a whole number"),
    "word": (lambda: futex(5, 0, 0), "futex(): word=5 must be a UserWord, or None"),
    "join": (lambda: pthread_join(5), "pthread_join(): tid=5 must be a UserWord"),
    "fork": (lambda: fork(5), "fork(): program=5 must be a function, or None"),
    "vfork": (lambda: vfork(None), "vfork(): program=None must be a function"),
    "ids": (lambda: clone3(set_tid=5), "clone3(): set_tid=5 must be a tuple of"),
    "exec": (lambda: execve(None, 5), "execve(): name=5 must be text"),
    "exit": (lambda: exit_group("x"), "exit_group(): error_code='x' must be a whole"),
    "handler": (lambda: sigaction(10, 0.5), "sigaction(): handler=0.5 must be SIG_DFL"),
    "mask": (lambda: sigprocmask(0, 5), "sigprocmask(): signals=5 must be a set of"),
    "list": (lambda: set_robust_list(5), "set_robust_list(): head=5 must be a list"),
    "parts": (lambda: process_vm_readv(1, 2, 3, 0), "readv(): lvec=2 must be a list"),
    "places": (lambda: process_madvise(3, 5, 1, 0), "process_madvise(): iovec=5 must"),
    "user": (lambda: setuid("root"), "setuid(): uid='root' must be a whole number"),
    "which": (lambda: waitid("x", 1, 4), "waitid(): which='x' must be a whole number"),
    "hole": (lambda: fallocate("x", 0, 0, 1), "fallocate(): fd='x' must be a whole"),
}


@pytest.mark.parametrize(("call", "says"), WRONG.values(), ids=WRONG)
def test_what_no_program_could_hand_over_is_told_to_who_wrote_it(
    call: Callable[[], object], says: str
) -> None:
    with Machine() as m:
        m.spawn("app").runs(call)
        with pytest.raises(UsageError) as caught:
            m.run()
    assert says in str(caught.value)


def test_what_a_program_could_hand_over_is_answered_by_the_kernel() -> None:
    with Machine() as m:
        app = m.spawn("app")
        app.runs(lambda: (close(-EBADF), mmap(True, -1), write(9, None)))
        m.run()
        assert app.result == (-EBADF, -ENOMEM, -EBADF)


def test_an_argument_of_another_kind_is_let_be_and_the_others_are_not() -> None:
    def write_limit(group: object, limit: int) -> int:
        return limit

    call = checked(write_limit)
    assert call(None, 7) == 7
    with pytest.raises(UsageError, match=r"write_limit\(\): limit='7' must be a whole"):
        call(None, "7")


def test_every_argument_of_every_call_is_looked_at() -> None:
    arguments = [
        (name, argument.annotation)
        for name in syscalls.__all__
        for argument in inspect.signature(getattr(syscalls, name)).parameters.values()
    ]
    assert UserWord.__name__ in _KINDS
    assert [found for found in arguments if found[1] not in _KINDS] == []
