# SPDX-License-Identifier: GPL-2.0-only
"""What the model expects of execs, limits, looks from outside, and of time."""

from __future__ import annotations

from pykmm.stateful import (
    Exec,
    Exit,
    Fork,
    Hold,
    Kill,
    Limit,
    Mmap,
    Mrelease,
    Peek,
    Phase,
    Refuse,
    Shortage,
    Spawn,
    State,
    Step,
    Thread,
    Tick,
    Together,
    Touch,
    World,
    retell,
)


def pids(state: State) -> list[int]:
    return [p.pid for p in state.procs]


def pages(state: State) -> list[int]:
    return [len(space.present) for space in state.spaces]


# -- exec ------------------------------------------------------------------------------


def test_an_exec_leaves_a_new_program_that_goes_on() -> None:
    state = retell([Spawn(pages=8), Together(Exec()), Together(Mmap(pages=2))])
    (space,) = state.spaces
    assert len(space.mapped) == 4 + 2 + 33 + 2
    assert len(space.present) == 2


def test_an_exec_by_a_thread_ends_all_others() -> None:
    story = [Spawn(), Together(Thread()), Together(Thread()), Together(Exec(by=1))]
    world = World()
    try:
        for step in story:
            world.take(step)
        assert [seat.tid for seat in world.sitting()] == pids(world.state)
    finally:
        world.close()


def test_calls_of_threads_that_an_exec_ended_may_be_lost() -> None:
    both = Together(Exec(by=1), Mmap(by=0), Mmap(by=0))
    state = retell([Spawn(), Together(Thread()), both])
    assert len(state.procs) == 1


def test_text_cannot_be_written() -> None:
    story = [Spawn(), Together(Exec()), Together(Touch(page=0))]
    assert retell(story).procs == ()
    story[-1] = Together(Touch(page=5))
    assert pages(retell(story)) == [3]


def test_memory_that_somebody_holds_outlives_an_exec() -> None:
    state = retell([Spawn(pages=8), Hold(whom=0), Together(Exec())])
    assert sorted(pages(state)) == [2, 8]


# -- looking from outside --------------------------------------------------------------


def test_a_look_into_memory_changes_nothing() -> None:
    story: list[Step] = [Spawn(pages=3), Spawn()]
    assert retell([*story, Together(Peek(by=1, whom=0))]) == retell(story)


def test_a_look_can_come_too_late() -> None:
    kill_and_look = Together(Kill(by=1, whom=0), Peek(by=1, whom=0))
    assert len(retell([Spawn(pages=3), Spawn(), kill_and_look]).procs) == 1


# -- the cgroup ------------------------------------------------------------------------


def test_a_limit_below_the_usage_kills_the_larger_one() -> None:
    story = [Spawn(pages=16, grouped=1), Spawn(grouped=1), Spawn()]
    state = retell([*story, Together(Limit(by=2, pages=12))])
    assert len(state.procs) == 2
    assert state.limit == 12


def test_nobody_outside_is_killed_for_a_limit() -> None:
    story = [Spawn(pages=16), Spawn(pages=2, grouped=1), Spawn()]
    state = retell([*story, Together(Limit(by=2, pages=0))])
    assert pages(state) == [16, 0]


def test_a_limit_that_is_kept_kills_nobody() -> None:
    story = [Spawn(pages=4, grouped=1), Together(Limit(pages=40))]
    assert pages(retell(story)) == [4]


def test_who_is_charged_over_the_limit_has_somebody_killed() -> None:
    alone = [Spawn(grouped=1), Together(Mmap(pages=4)), Together(Limit(pages=6))]
    fill = [Together(Touch(page=n)) for n in range(4)]
    assert retell([*alone, *fill]).procs == ()


def test_a_worse_one_is_killed_for_who_is_charged_over_the_limit() -> None:
    two = [Spawn(grouped=1), Spawn(pages=16, grouped=1)]
    room = [Together(Mmap(pages=16)), Together(Limit(pages=22))]
    state = retell([*two, *room, *(Together(Touch(page=n)) for n in range(4))])
    assert len(state.procs) == 1
    assert pages(state) == [4]


def test_a_child_is_in_the_cgroup_of_its_parent() -> None:
    story = [Spawn(pages=8, grouped=1), Together(Fork()), Spawn()]
    state = retell([*story, Together(Limit(by=2, pages=0))])
    assert len(state.procs) == 1


# -- time ------------------------------------------------------------------------------


def test_a_victim_is_reaped_with_a_tick_when_time_stands() -> None:
    story = [Spawn(pages=4), Spawn(), Hold(whom=0), Tick(), Together(Shortage(by=1))]
    state = retell(story)
    assert state.spaces[0].doomed
    assert not state.spaces[0].skip
    assert len(state.spaces[0].present) == 4
    state = retell([*story, Tick()])
    assert state.spaces[0].skip
    assert not state.spaces[0].present


def test_without_a_tick_time_runs() -> None:
    story = [Spawn(pages=4), Spawn(), Hold(whom=0), Together(Shortage(by=1))]
    assert retell(story).spaces[0].skip


def test_time_goes_on_for_who_cannot_do_without() -> None:
    story = [
        Spawn(pages=16, grouped=1),
        Together(Thread()),
        Spawn(grouped=1),
        Refuse(whom=0),
        Tick(),
        Together(Limit(by=2, pages=4)),
    ]
    assert retell(story).stands


def test_a_tick_comes_to_one_who_was_reaped_on_demand() -> None:
    freed = Together(Shortage(by=1), Mrelease(by=1, whom=0))
    story = [Spawn(pages=4), Spawn(), Hold(whom=0), Tick(), freed, Tick()]
    assert retell(story).spaces[0].skip


def test_a_child_that_ends_while_time_stands_is_a_zombie() -> None:
    story = [Spawn(), Together(Fork()), Tick(), Together(Exit(by=1))]
    assert retell(story).procs[-1].phase is Phase.ZOMBIE


def test_a_device_that_refuses_leaves_a_victim_its_pages() -> None:
    story = [Spawn(pages=1), Refuse(), Hold(), Together(Shortage())]
    (space,) = retell(story).spaces
    assert space.skip
    assert space.present
