# SPDX-License-Identifier: GPL-2.0-only
"""Whom the OOM killer would choose now, and how well the model knows this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from attrs import frozen

from ..errors import UsageError
from ..linux.uapi import OOM_SCORE_ADJ_MIN
from .cgroups import Group, Hierarchy, find_hierarchy
from .choice import Choice, choose
from .machine import boot, build
from .pages import Counting, Pages, counted, counting_of
from .reap import Reap, foresee_reap
from .scores import Agreement, Score, better, compare, compare_again
from .snapshot import PROC, Snapshot, open_proc, read_again, read_snapshot
from .source import Folder
from .tasks import TaskReading

__all__ = ["Forecast", "JudgedTask", "predict"]


@frozen
class JudgedTask:
    """One process: what was read, what the model makes of it."""

    reading: TaskReading
    pages: Pages
    score: Score
    #: None for one that may not be chosen; then *reason* says why.
    points: int | None
    reason: str
    #: Whether the killer would look at it: all, or the members of the cgroup.
    is_candidate: bool

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self.reading.pid


@frozen
class Forecast:
    """The answer. *tasks* stand in the order of the process list."""

    snapshot: Snapshot
    counting: Counting
    constraint: str
    totalpages: int
    tasks: tuple[JudgedTask, ...]
    chosen: JudgedTask | None
    #: Who would die with the chosen one, and of which ``memory.oom.group``.
    group: tuple[JudgedTask, ...]
    reap: Reap | None
    memcg: Group | None
    nearest: Group | None
    notes: tuple[str, ...]

    def count(self, agreement: Agreement) -> int:
        """Return how many scores stand to the kernel's in this way."""
        return sum(task.score.agreement is agreement for task in self.tasks)

    @property
    def candidates(self) -> list[JudgedTask]:
        """Those who may be chosen, who weighs most first, equals latest first."""
        found = [t for t in self.tasks if t.is_candidate and t.points is not None]
        found.reverse()
        return sorted(found, key=lambda task: -(task.points or 0))

    @property
    def fine(self) -> bool:
        """Whether no score differs without a reason."""
        return self.count(Agreement.DIFFERS) == 0


def predict(
    proc: str | None = None,
    cgroup: str | None = None,
    memcg: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Forecast:
    """Read a machine and let the model's OOM killer choose on its like.

    *proc* and *cgroup* are directories with copies; by default this machine is
    read. With *memcg* that memory cgroup runs out, else the machine does.
    """
    with open_proc(PROC if proc is None else proc) as folder:
        hierarchy = None
        if proc is None or cgroup is not None:
            hierarchy = find_hierarchy(folder, cgroup)
        group = None if memcg is None else _find(hierarchy, memcg)
        return _forecast(folder, hierarchy, group, progress)


def _find(hierarchy: Hierarchy | None, path: str) -> Group:
    if hierarchy is None:
        raise UsageError(
            f"--memcg={path!r} needs memory cgroups, and none were found: pass "
            "--cgroup DIR with a hierarchy that has the memory controller"
        )
    return hierarchy.find(path)


def _forecast(
    proc: Folder,
    hierarchy: Hierarchy | None,
    group: Group | None,
    progress: Callable[[str], None] | None,
) -> Forecast:
    snapshot = read_snapshot(proc, progress)
    counting = counting_of(snapshot.release)
    with boot(snapshot) as machine:
        built = build(machine, snapshot, counting, hierarchy)
        if progress is not None:
            progress("score all processes")
        scores = compare(built, snapshot, counting)
        choice = choose(built, None if group is None else built.memcgs[group.path])
    _look_again(proc, snapshot, counting, scores)
    tasks = tuple(_judged(snapshot, counting, scores, choice))
    chosen = None if choice.chosen is None else tasks[choice.chosen]
    return Forecast(
        snapshot=snapshot,
        counting=counting,
        constraint=choice.constraint,
        totalpages=choice.totalpages,
        tasks=tasks,
        chosen=chosen,
        group=tuple(tasks[index] for index in choice.group),
        reap=_reap(proc, chosen),
        memcg=group,
        nearest=None if hierarchy is None else hierarchy.nearest_to_its_limit(),
        notes=tuple(_notes(snapshot, group)),
    )


def _look_again(
    proc: Folder, snapshot: Snapshot, counting: Counting, scores: list[Score]
) -> None:
    """Read the tasks whose scores were no match once more, and keep the best."""
    missed = {
        task.pid: index
        for index, (task, score) in enumerate(zip(snapshot.tasks, scores, strict=True))
        if score.agreement not in (Agreement.EQUAL, Agreement.UNKNOWN)
    }
    if not missed:
        return
    again = read_again(proc, snapshot, missed)
    second = compare_again(again, counting)
    for pid, index in missed.items():
        scores[index] = better(scores[index], second.get(pid))


def _judged(
    snapshot: Snapshot, counting: Counting, scores: Sequence[Score], choice: Choice
) -> Iterator[JudgedTask]:
    for index, reading in enumerate(snapshot.tasks):
        points = choice.points[index]
        yield JudgedTask(
            reading=reading,
            pages=counted(reading, counting, snapshot.page_size),
            score=scores[index],
            points=points,
            reason="" if points is not None else _reason(snapshot, reading),
            is_candidate=index in choice.candidates,
        )


def _reason(snapshot: Snapshot, reading: TaskReading) -> str:
    """Say why ``oom_badness()`` refuses a task."""
    if reading.kthread:
        return "kernel thread"
    if reading.pid == 1 and snapshot.sees_kernel:
        return "init"
    if reading.memory is None:
        return "zombie" if reading.is_zombie else "exiting, without memory"
    if reading.oom_score_adj == OOM_SCORE_ADJ_MIN:
        return f"oom_score_adj {OOM_SCORE_ADJ_MIN}"
    return f"vfork child of {reading.stat.ppid}"


def _reap(proc: Folder, chosen: JudgedTask | None) -> Reap | None:
    if chosen is None or chosen.reading.memory is None:
        return None
    return foresee_reap(proc, chosen.pid, chosen.reading.memory)


def _notes(snapshot: Snapshot, group: Group | None) -> Iterator[str]:
    """Say what else decides, and what this ``/proc`` does not show."""
    panic = snapshot.panic_on_oom
    if panic == 2 or (panic and group is None):
        yield f"vm.panic_on_oom is {panic}: the kernel would panic and kill nobody"
    if snapshot.oom_kill_allocating_task and group is None:
        yield (
            "vm.oom_kill_allocating_task is set: the kernel would kill whoever asks "
            "for memory, if it may, and choose nobody"
        )
    if group is not None and group.limit is None:
        yield f"{group.path} has no limit of its own, so that it cannot run out alone"
    if group is not None and group.oom_kill_disable:
        yield f"{group.path} has oom_kill_disable: its tasks would wait, not be killed"
    if snapshot.meminfo_is_covered:
        yield (
            "something is mounted over meminfo: where it does not show the machine's "
            "own MemTotal, scores differ"
        )
    if not (snapshot.sees_kernel or snapshot.hidden_threads or snapshot.unreadable):
        yield (
            "no kernel thread is seen, as in a container: tasks outside of it may "
            "be chosen, too"
        )
