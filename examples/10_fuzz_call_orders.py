# SPDX-License-Identifier: GPL-2.0-only
"""Let hypothesis draw programs and a scheduler draw orders: no page may be lost."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm import Config, Machine
from pykmm.engine import Timers
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.schedulers import RandomWalk
from pykmm.strategies import Act, end_all, play, programs

acts = set[str]()


@settings(max_examples=15, derandomize=True, database=None, deadline=None)
@given(st.lists(programs(), min_size=1, max_size=3), st.integers(0, 99))
def every_page_comes_back(played: list[tuple[Act, ...]], seed: int) -> None:
    acts.update(act.name for program in played for act in program)
    with Machine(Config(timers=Timers.IDLE), scheduler=RandomWalk(seed)) as m:
        m.ready()
        before = nr_free_pages()
        play(m, played)
        end_all(m)
        assert nr_free_pages() == before


every_page_comes_back()
print("forks, kills and faults in any order, and all pages are free again:")
print({"fork", "kill", "touch"} <= acts)
