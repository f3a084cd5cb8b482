# SPDX-License-Identifier: GPL-2.0-only
"""Programs that touch more memory than there is: who dies, and that all goes on."""

from __future__ import annotations

import pytest

from pykmm.boot import Region
from pykmm.engine import Backend, Config, Timers
from pykmm.linux.printk import console
from pykmm.mm._conservation import _books
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.runner import double_run, explore, replay
from pykmm.scenarios import SCENARIOS
from pykmm.schedulers import RandomWalk
from pykmm.syscalls import getpid, touch
from pykmm.workbench import Machine, Process

MIB = 1 << 20
#: 256 MiB, of which 2 MiB are for nobody.
PAGES = 65536


def machine(**facts: object) -> Machine:
    config = facts.pop("config", Config(node_pages=(PAGES,), timers=Timers.IDLE))
    return Machine(config, **facts)  # type: ignore[arg-type]


def hog(m: Machine, name: str, size: int) -> Process:
    """Spawn a process that touches *size* bytes."""
    p = m.spawn(name, regions=[Region("anon", size, populated=0)])

    @p.runs
    def _() -> str:
        touch(p.memory[0].start, size)
        return "done"

    return p


def killed() -> list[str]:
    found = [line.partition("Killed process ")[2] for line in console().verdicts()]
    return [text.split("(")[1].split(")")[0] for text in found if text]


# -- 256 MiB ---------------------------------------------------------------------------


@pytest.mark.parametrize("backend", list(Backend))
def test_a_program_without_end_is_killed_and_the_machine_goes_on(
    backend: Backend,
) -> None:
    with machine(backend=backend) as m:
        other = m.spawn("other", anon="4M")
        before = nr_free_pages()
        p = hog(m, "hog", 512 * MIB)
        pid = p.pid
        other.runs(getpid)
        m.run()
        assert p.result is None
        assert other.result == other.pid
        assert nr_free_pages() == before
        assert _books() == []
        lines = console().verdicts()
        assert (
            "hog invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO|"
            "__GFP_COMP), order=0, oom_score_adj=0"
        ) in lines
        (line,) = [line for line in lines if "Killed process" in line]
        assert line.startswith(
            f"Out of memory: Killed process {pid} (hog) total-vm:524288kB, anon-rss:"
        )
        # It had all but what the other one has, the tables, and the reserve.
        anon = int(line.split("anon-rss:")[1].split("kB")[0])
        assert anon == (PAGES - 512 - 1024 - 4 - 127) * 4
        assert len(m.events) < 5000


def test_a_larger_process_dies_and_the_program_gets_its_memory() -> None:
    with machine() as m:
        big = m.spawn("big", anon="160M")
        p = hog(m, "hog", 128 * MIB)
        m.run()
        assert (p.result, killed(), big.mm) == ("done", ["big"], None)
        assert _books() == []


@pytest.mark.parametrize("seed", range(6))
def test_two_programs_without_end_both_die(seed: int) -> None:
    config = Config(node_pages=(PAGES,))
    with machine(config=config, scheduler=RandomWalk(seed)) as m:
        pair = [hog(m, name, 512 * MIB) for name in ("a", "b")]
        m.run()
        assert [p.result for p in pair] == [None, None]
        assert sorted(killed()) == ["a", "b"]
        assert nr_free_pages() == PAGES
        assert _books() == []


@pytest.mark.parametrize("seed", range(6))
def test_of_two_programs_one_can_have_its_memory(seed: int) -> None:
    config = Config(node_pages=(PAGES,))
    with machine(config=config, scheduler=RandomWalk(seed)) as m:
        pair = [hog(m, name, 160 * MIB) for name in ("a", "b")]
        m.run()
        # Who is done does not go away, so it can die for the other one.
        assert len(killed()) == 1
        alive = [p for p in pair if p.mm is not None]
        assert [p.result for p in alive] == ["done"]
        assert _books() == []


def test_the_allocating_task_dies_if_the_administrator_wants_it() -> None:
    config = Config(node_pages=(PAGES,), timers=Timers.IDLE, oom_kill_allocating_task=1)
    with machine(config=config) as m:
        big = m.spawn("big", anon="160M")
        p = hog(m, "hog", 128 * MIB)
        m.run()
        assert (p.result, killed()) == (None, ["hog"])
        assert big.mm is not None
        line = next(line for line in console().verdicts() if "Killed process" in line)
        assert line.startswith(
            "Out of memory (oom_kill_allocating_task): Killed process"
        )


def test_a_program_with_threads_that_all_want_memory_dies_once() -> None:
    config = Config(node_pages=(PAGES,))
    for seed in range(4):
        with machine(config=config, scheduler=RandomWalk(seed)) as m:
            first = hog(m, "hog", 512 * MIB)
            second = m.spawn("sharer", shares_mm=first)
            start = first.memory[0].start + 256 * MIB
            second.runs(lambda start=start: touch(start, 256 * MIB))
            m.run()
            assert (first.result, second.result) == (None, None)
            assert len(killed()) == 1
            assert nr_free_pages() == PAGES
            assert _books() == []


# -- explored --------------------------------------------------------------------------


def outcomes(name: str, **how: object) -> list[object]:
    result = explore(SCENARIOS[name], **how)  # type: ignore[arg-type]
    assert result.reports == ()
    return sorted(map(str, result.values))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("oom-kill", ["app killed, hog has its memory"]),
        ("oom-kill-itself", ["hog killed", "hog killed, hog reaped"]),
        ("oom-kill-stuck", ["app killed, app reaped, driver had its memory"]),
    ],
)
def test_all_outcomes(name: str, values: list[str]) -> None:
    result = explore(SCENARIOS[name])
    assert result.complete
    assert result.reports == ()
    assert sorted(map(str, result.values)) == values
    for outcome in result.outcomes:
        assert replay(SCENARIOS[name], outcome.witness).outcome == outcome.value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "values"),
    [
        (
            "oom-kill-twice",
            ["app killed, hog has its memory", "app killed, hog killed"],
        ),
        (
            "memcg-oom",
            [
                "app killed, hog has its memory, oom_kill 1",
                "app killed, hog killed, oom_kill 2",
            ],
        ),
    ],
)
def test_one_may_be_killed_too_many(name: str, values: list[str]) -> None:
    assert outcomes(name, scheduler="random", executions=40) == values
    assert set(outcomes(name, scheduler="random", executions=100)) <= set(values)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if "oom" in name])
def test_nothing_depends_on_chance(name: str) -> None:
    double_run(SCENARIOS[name], executions=5)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if "oom" in name])
def test_threads_that_run_free_come_to_the_same(name: str) -> None:
    scenario = SCENARIOS[name]
    for seed in range(10):
        with scenario.machine(  # type: ignore[call-arg]  # the kernel's machine takes more
            scenario.config, backend=Backend.FREE, seed=seed, jitter=5
        ) as m:
            assert "killed" in str(scenario.function(m))
