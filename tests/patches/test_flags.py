# SPDX-License-Identifier: GPL-2.0-only
"""What every design answers to flags and descriptors, and which it looks at first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations

import pytest

from pykmm.errno import EBADF, EINVAL, EPERM, ESRCH
from pykmm.errors import UsageError
from pykmm.linux.uapi import (
    PIDFD_SELF_THREAD_GROUP,
    SIGCHLD,
    SIGKILL,
    SIGTERM,
)
from pykmm.patches.designs import DESIGNS
from pykmm.patches.kernels.v6_12 import patch as v6_12
from pykmm.patches.patch import apply
from pykmm.syscalls import (
    exit_group,
    fork,
    kill,
    memfd_create,
    pidfd_open,
    pidfd_send_signal,
    process_mrelease,
    wait4,
)
from pykmm.workbench import Machine

BITS = [1 << bit for bit in range(32)]
PAIRS = [a | b for a, b in combinations(BITS, 2)]
#: No flag, each alone, each with each other one, runs of bits, and all.
FLAGS = [0, *BITS, *PAIRS, *((1 << n) - 1 for n in range(3, 33)), 0xFFFFFFFE]
REAP_KILL = 1
KILLS = ("B0", "B", "C", "D", "E")
EXPEDITE = 8

#: Replacements of one function exclude each other.
NOT_ON_6_12 = {"A'", "G", "H1", "H2", "H3", "I-up", "I-thaw"}
KERNELS = [
    *((design, False) for design in DESIGNS),
    *((design, True) for design in DESIGNS if design not in NOT_ON_6_12),
]


@pytest.fixture(params=KERNELS, ids=lambda k: f"{k[0]}-{'6.12' if k[1] else '7.2'}")
def kernel(request: pytest.FixtureRequest) -> Iterator[tuple[str, Machine]]:
    design, old = request.param
    m = Machine()
    apply(m, [DESIGNS[design], *([v6_12] if old else [])])
    yield design, m
    m.close()


def call(m: Machine, body: Callable[[], object], uid: int = 0) -> object:
    caller = m.spawn("caller", uid=uid)
    caller.runs(body)
    m.run()
    return caller.result


def unknown(design: str) -> Iterator[int]:
    known = REAP_KILL if design in KILLS else 0
    return (flags for flags in FLAGS if flags & ~known)


def test_which_designs_go_with_6_12() -> None:
    refused = set()
    for name, design in DESIGNS.items():
        with Machine() as m:
            try:
                apply(m, [v6_12, design])
            except UsageError:
                refused.add(name)
    assert refused == NOT_ON_6_12


def test_an_unknown_flag_comes_before_whatever_the_descriptor_is(
    kernel: tuple[str, Machine],
) -> None:
    """-EINVAL for no descriptor, one that is no pidfd, and each kind of process."""
    design, m = kernel
    alive, dying, gone = (m.spawn(name, anon="16K") for name in ("a", "b", "c"))

    def every() -> set[int]:
        pidfds = [pidfd_open(app.pid, 0) for app in (alive, dying, gone)]
        kill(gone.pid, SIGKILL)
        kill(dying.pid, SIGKILL)
        bad = [-1, 77, 2**31 - 1, memfd_create("file", 0), PIDFD_SELF_THREAD_GROUP]
        return {
            process_mrelease(fd, flags)
            for fd in (*bad, *pidfds)
            for flags in unknown(design)
        }

    assert call(m, every) == {-EINVAL}
    assert alive.task._death is None


def test_then_the_descriptor_then_the_process(kernel: tuple[str, Machine]) -> None:
    design, m = kernel
    alive = m.spawn("alive", anon="16K")

    def every() -> dict[str, int]:
        child = fork(partial(exit_group, 0))
        gone = pidfd_open(child, 0)
        wait4(child)
        return {
            "none": process_mrelease(-1, 0),
            "closed": process_mrelease(77, 0),
            "file": process_mrelease(memfd_create("file", 0), 0),
            "alive": process_mrelease(pidfd_open(alive.pid, 0), 0),
            "gone": process_mrelease(gone, 0),
        }

    assert call(m, every) == {
        "none": -EBADF,
        "closed": -EBADF,
        "file": -EBADF,
        "alive": -EINVAL,
        "gone": -ESRCH,
    }
    if design in KILLS:
        bad = call(m, lambda: [process_mrelease(fd, REAP_KILL) for fd in (-1, 77)])
        assert bad == [-EBADF, -EBADF]


# -- designs of signals --------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
def test_flags_of_a_signal_come_first(design: str) -> None:
    """One scope at most; only designs H know one more bit, and only alone."""
    known = {0, 1, 2, 4} | ({EXPEDITE} if design.startswith("H") else set())
    with Machine() as m:
        apply(m, [DESIGNS[design]])

        def every() -> dict[int, int]:
            return {f: pidfd_send_signal(-1, SIGKILL, None, f) for f in FLAGS}

        assert call(m, every) == {
            flags: -EBADF if flags in known else -EINVAL for flags in FLAGS
        }


@pytest.mark.parametrize(
    ("design", "sig", "uid", "says"),
    [
        ("H1", SIGTERM, 0, -EBADF),  # any signal may go to all who share
        ("H2", SIGTERM, 0, -EINVAL),
        ("H3", SIGTERM, 0, -EINVAL),
        ("H3", SIGKILL, 1000, -EPERM),  # CAP_SYS_NICE, before the descriptor
        ("H3", SIGCHLD, 1000, -EINVAL),  # and after the signal
        ("H2", SIGKILL, 1000, -EBADF),
    ],
)
def test_signal_then_capability_then_descriptor(
    design: str, sig: int, uid: int, says: int
) -> None:
    with Machine() as m:
        apply(m, [DESIGNS[design]])
        asked = call(m, lambda: pidfd_send_signal(-1, sig, None, EXPEDITE), uid)
        assert asked == says
