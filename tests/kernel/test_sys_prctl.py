# SPDX-License-Identifier: GPL-2.0-only
"""What a process says about itself: that it executes nothing it wrote."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import Machine
from pykmm.errno import EACCES, EINVAL, EPERM
from pykmm.linux.uapi import (
    PR_GET_MDWE,
    PR_MDWE_NO_INHERIT,
    PR_MDWE_REFUSE_EXEC_GAIN,
    PR_SET_MDWE,
)
from pykmm.linux.uapi_mman import PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE
from pykmm.syscalls import execve, exit, fork, mmap, mprotect, munmap, prctl, wait4
from tests.lifecycle._memory import ANON, FIXED, PAGE, RW, A, runs

RX = PROT_READ | PROT_EXEC
BOTH = PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT


@pytest.fixture
def m() -> Iterator[Machine]:
    with Machine() as made:
        yield made


def test_what_is_forbidden_stays_forbidden(m: Machine) -> None:
    def program() -> list[int]:
        return [
            prctl(PR_GET_MDWE),
            prctl(PR_SET_MDWE, 0),
            prctl(PR_SET_MDWE, PR_MDWE_NO_INHERIT),
            prctl(PR_SET_MDWE, 4),
            prctl(PR_SET_MDWE, -1),
            prctl(PR_GET_MDWE),
            prctl(PR_SET_MDWE, BOTH),
            prctl(PR_SET_MDWE, BOTH),
            prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN),
            prctl(PR_SET_MDWE, 0),
            prctl(PR_GET_MDWE),
            prctl(PR_GET_MDWE, 1),
        ]

    assert runs(m, program) == (
        [0, 0, -EINVAL, -EINVAL, -EINVAL, 0, 0, 0, -EPERM, -EPERM, BOTH, -EINVAL]
    )


def test_nobody_executes_what_was_written_or_not_executable(m: Machine) -> None:
    def program() -> tuple[int, list[int]]:
        mmap(A, PAGE, RX, FIXED)
        before = mprotect(A, PAGE, PROT_NONE) or mprotect(A, PAGE, RX)
        prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)
        code = mmap(0, PAGE, RX, ANON)
        return before, [
            min(code, 1),
            mmap(0, PAGE, RX | PROT_WRITE, ANON),
            mprotect(A, PAGE, RX | PROT_WRITE),
            mprotect(A, PAGE, PROT_EXEC),
            mprotect(A, PAGE, PROT_READ),
            mprotect(A, PAGE, RX),
            mprotect(A, PAGE, RW),
        ]

    assert runs(m, program) == ((0, [1, -EACCES, -EACCES, 0, 0, -EACCES, 0]))


def test_a_refused_mapping_leaves_what_was_there(m: Machine) -> None:
    def program() -> tuple[int, int]:
        mmap(A, PAGE, RW, FIXED)
        prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)
        return mmap(A, PAGE, RX | PROT_WRITE, FIXED), mprotect(A, PAGE, PROT_READ)

    assert runs(m, program) == (-EACCES, 0)


def test_a_protection_that_is_refused_ends_behind_what_was_changed(m: Machine) -> None:
    def program() -> tuple[int, list[int]]:
        mmap(A, PAGE, RX, FIXED)
        mmap(A + PAGE, PAGE, PROT_READ, FIXED)
        prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)
        refused = mprotect(A, 2 * PAGE, PROT_EXEC)
        # What comes first has been changed, so reading it is no gain any more.
        return refused, [mprotect(A, PAGE, RX), munmap(A, 2 * PAGE)]

    assert runs(m, program) == (-EACCES, [0, 0])


@pytest.mark.parametrize(
    ("bits", "inherited"),
    [(PR_MDWE_REFUSE_EXEC_GAIN, PR_MDWE_REFUSE_EXEC_GAIN), (BOTH, 0)],
)
def test_children_and_new_programs_inherit_it_unless_told_otherwise(
    m: Machine, bits: int, inherited: int
) -> None:
    told: list[int] = []

    def tell() -> None:
        told.append(prctl(PR_GET_MDWE))
        exit(0)

    def program() -> int:
        prctl(PR_SET_MDWE, bits)
        fork(tell)
        wait4(-1)
        fork(lambda: execve(tell, "new"))
        wait4(-1)
        return prctl(PR_GET_MDWE)

    assert (runs(m, program), told) == (bits, [inherited, inherited])
