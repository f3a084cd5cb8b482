# SPDX-License-Identifier: GPL-2.0-only
"""Whatever programs do, in the end everything is back where it was.

``PYKMM_CONSERVATION=10000`` runs so many programs on each backend instead of a few.
"""

from __future__ import annotations

import operator
import os
from collections import Counter

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pykmm.engine import Backend, Config, Pool, Root, Timers
from pykmm.kernel.ucount import _ucounts
from pykmm.linux.mman import vm_committed_as
from pykmm.linux.pid_namespace import init_pid_ns
from pykmm.linux.refcount import refcount_t
from pykmm.linux.workqueue import _worker
from pykmm.mm._conservation import _books
from pykmm.mm.oom_kill import oom
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.swapfile import nr_swap_pages
from pykmm.schedulers import RandomWalk
from pykmm.strategies import Act, end_all, play, programs
from pykmm.workbench import Machine

#: Shrinking takes long: whoever wants a small example asks for it.
PHASES = (Phase.explicit, Phase.generate)

EXAMPLES = int(os.environ.get("PYKMM_CONSERVATION", "40"))

USER = 1000
CONFIG = Config(
    node_pages=(4096,), total_swap_pages=48, nr_hugepages=2, timers=Timers.IDLE
)

#: What is made when it is first asked for, and then stays: files, a user, statics.
FIRST = (
    *(Act("file", which) for which in range(4)),
    *(Act("memfd"), Act("mlock"), Act("fork", program=(Act("exec"),))),
    Act("exit_group"),
)

#: How programs begin, so that the cgroup's limit is soon felt: with memory, with memory
#: that a child shares and gives away, too, or with a file that is written.
MEMORY = (Act("mmap", 0, 4), Act("touch", 0, 4))
CHILD = (Act("pageout", 0, 3), Act("read", 0, 4), Act("touch", 0, 2))
BEGIN = (
    MEMORY,
    (*MEMORY, Act("fork", program=CHILD), Act("pageout", 0, 4), Act("read", 0, 4)),
    (*MEMORY, Act("file", 0, 4), Act("touch", 1, 4)),
)


def holdings(m: Machine) -> dict[str, object]:
    """Say what there is: pages, promises, counts, and structures by kind."""
    return {
        "processes": len(m.tasks()),
        "free pages": nr_free_pages(),
        "free swap": nr_swap_pages().counter,
        "promised": vm_committed_as().counter,
        "tasks of the user": _ucounts().of(USER).rlimit.counter,
        "numbers": init_pid_ns().__dict__["pid_allocated"],
        "victims": oom().oom_victims.counter,
        "structures": Counter(
            type(x).__name__ for x in m.alive if not isinstance(x, Root)
        ),
    }


def still_counted(m: Machine) -> list[refcount_t]:
    """Find references on what is dead."""
    return [
        count
        for struct in m.dead
        for count in struct.__dict__.values()
        if isinstance(count, refcount_t) and count.refs
    ]


def come_and_go(
    backend: Backend,
    pool: Pool,
    played: list[tuple[Act, ...]],
    limit: str | None,
    seed: int,
) -> None:
    """Boot, play, end all; what is left over has to be what was there before."""
    walk = RandomWalk(seed)
    with Machine(CONFIG, backend=backend, scheduler=walk, pool=pool, seed=seed) as m:
        m.ready()
        _worker()  # is made when there is work, and then stays
        above = m.cgroup("above")
        group = m.cgroup("group", memory_max=limit, parent=above)
        play(m, [FIRST], uid=USER)
        end_all(m)
        before = holdings(m)
        play(m, played, memcg=group, uid=USER)
        assert _books() == []
        end_all(m)
        assert holdings(m) == before
        assert (group.memory.usage, above.memory.usage) == (0, 0)
        assert still_counted(m) == []
        assert _books() == []


@pytest.mark.slow
@pytest.mark.parametrize("backend", list(Backend), ids=lambda b: b.value)
def test_everything_comes_back(backend: Backend) -> None:
    limits = st.sampled_from((None, "24K", "40K", "80K"))
    with Pool(pin=backend is Backend.BATON) as pool:
        begun = st.builds(operator.add, st.sampled_from(BEGIN), programs())

        @settings(max_examples=EXAMPLES, phases=PHASES)
        @given(st.lists(begun, min_size=1, max_size=3), limits, st.integers(0, 999))
        def tried(played: list[tuple[Act, ...]], limit: str | None, seed: int) -> None:
            come_and_go(backend, pool, played, limit, seed)

        tried()
