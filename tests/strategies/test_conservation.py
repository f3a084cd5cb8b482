# SPDX-License-Identifier: GPL-2.0-only
"""Whatever programs do, in the end everything is back where it was.

``PYKMM_CONSERVATION=10000`` runs so many programs on each backend instead of a few.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pykmm.engine import Backend, Config, Pool, Root, Timers
from pykmm.linux.mman import vm_committed_as
from pykmm.mm._conservation import _books
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.swapfile import nr_swap_pages
from pykmm.schedulers import RandomWalk
from pykmm.strategies import Act, end_all, play, programs
from pykmm.workbench import Machine

#: Shrinking takes long: whoever wants a small example asks for it.
PHASES = (Phase.explicit, Phase.generate)

EXAMPLES = int(os.environ.get("PYKMM_CONSERVATION", "40"))


def holdings(m: Machine) -> dict[str, object]:
    """Say what there is: pages, promises, charges, and structures by kind."""
    return {
        "processes": len(m.tasks()),
        "free pages": nr_free_pages(),
        "free swap": nr_swap_pages().counter,
        "promised": vm_committed_as().counter,
        "structures": Counter(
            type(x).__name__ for x in m.alive if not isinstance(x, Root)
        ),
    }


def come_and_go(
    backend: Backend, pool: Pool, played: list[tuple[Act, ...]], seed: int
) -> None:
    """Boot, play, end all; what is left over has to be what was there before."""
    config = Config(node_pages=(4096,), timers=Timers.IDLE)
    with Machine(
        config, backend=backend, scheduler=RandomWalk(seed), pool=pool, seed=seed
    ) as m:
        m.ready()
        group = m.cgroup("group")
        # What is made when it is first asked for, and then stays, is there now.
        play(m, [(Act("share"), Act("mlock"), Act("fork"), Act("exit_group"))])
        end_all(m)
        before = holdings(m)
        play(m, played)
        end_all(m)
        assert holdings(m) == before
        assert group.memory.usage == 0
        assert _books() == []


@pytest.mark.slow
@pytest.mark.parametrize("backend", list(Backend), ids=lambda b: b.value)
def test_everything_comes_back(backend: Backend) -> None:
    with Pool(pin=backend is Backend.BATON) as pool:

        @settings(max_examples=EXAMPLES, phases=PHASES)
        @given(st.lists(programs(), min_size=1, max_size=3), st.integers(0, 999))
        def tried(played: list[tuple[Act, ...]], seed: int) -> None:
            come_and_go(backend, pool, played, seed)

        tried()
