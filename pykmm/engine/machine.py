# SPDX-License-Identifier: GPL-2.0-only
"""One booted machine: its threads, its objects, its clock, and what it recorded.

A machine performs *one* execution. It knows no default scheduler's cleverness,
no detector and nothing of kernels: who assembles those is the runner. Many
machines can exist at once, in different OS threads, without knowing each other.

Host code (a scenario, a test) that works on a machine between its runs does so
as the *boot* thread: its steps are taken at once and are not scheduled.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import TYPE_CHECKING

from ..errors import (
    ContextError,
    Report,
    UsageError,
    check_is,
    check_plain,
    check_whole,
)
from .annotate import Replacements
from .baton import Baton
from .clock import Clock
from .config import Backend, Config
from .deadlock import judge_rest
from .events import Access, Event
from .free_running import FreeRunning
from .ledger import since
from .objects import Birth, Named
from .pool import Pool
from .scheduler import FirstEnabled, Schedule
from .stacks import noting, stack_of
from .standing import Standing
from .step import leave
from .thread import DONE, Sleep, Thread, Unwind, ambient, current_thread, thread_here

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Protocol, Self

    from .annotate import Variant
    from .objects import Struct
    from .scheduler import Scheduler
    from .statics import MachineLocal

    class Observer(Protocol):
        """Sees every event of a machine, and the machine at rest."""

        def event(self, event: Event) -> None: ...

        def at_rest(self, machine: Machine) -> None: ...


__all__ = ["Machine", "current_machine"]

_CONFIG = Config()


class Machine:
    """An execution of kernel code over real threads.

    *scheduler* picks who takes each step (baton only), and *baton* is how one at a
    time is seen to; another one is in :mod:`.greenlets`. *observers* see each event.
    *pool* lends OS threads. *stacks* records function names with each event, which
    costs more than the event. *max_steps* bounds a run.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        scheduler: Scheduler | None = None,
        backend: Backend = Backend.BATON,
        baton: type[Baton] = Baton,
        observers: Sequence[Observer] = (),
        pool: Pool | None = None,
        stacks: bool = False,
        max_steps: int = 1_000_000,
        jitter: int = 0,
        seed: int = 0,
    ) -> None:
        self.config = _CONFIG if config is None else config
        self.backend = backend
        self._own_pool = pool is None
        self.pool = Pool(pin=backend is Backend.BATON) if pool is None else pool
        _check_parts(self.config, observers, self.pool, max_steps)
        self.observers = list(observers)
        self.stacks = stacks
        self.max_steps = max_steps
        self.clock = Clock()
        #: Everything that happened, in order, and who took each step.
        self.events: list[Event] = []
        self.steps: list[Thread] = []
        #: What system calls came to, where stacks are recorded: after how many events,
        #: who made the call, and what to tell of it.
        self.answers: list[tuple[int, Thread, str]] = []
        #: Steps before which a thread gave way that could have gone on.
        self.preemptions: list[int] = []
        #: Numbers of events at which a run began or the clock jumped: nobody could
        #: go on there, so everything before happened before everything after.
        self.cuts: list[int] = []
        #: All threads ever made, and those that have not ended.
        self.threads: list[Thread] = []
        self.live: list[Thread] = []
        #: Structures alive, in order of birth (a dict for its order).
        self.alive: dict[Struct, None] = {}
        #: Structures freed, in order of death.
        self.dead: list[Struct] = []
        self.locals: dict[MachineLocal[object], object] = {}
        self.making_statics = RLock()
        self.patches = Replacements()
        #: The variants that these come from.
        self.applied: tuple[Variant, ...] = ()
        self.stopping = False
        self.failure: BaseException | None = None
        self.closed = False
        self.counts: dict[str, int] = {}
        #: Steps of threads that were already told to come down.
        self.inert_steps = 0
        self._outer: list[Thread | None] = []
        self.boot = Thread(self, "boot", lambda: None, None)
        self.boot.is_boot, self.boot.is_alone = True, backend is Backend.BATON
        self.carrier = _carrier(self, scheduler, backend, baton, seed, jitter)
        self.enter = noting(self.carrier.enter) if stacks else self.carrier.enter
        #: What has to be done when a step is over, if anything.
        self.after_step = self.carrier.after_step
        self.standing = Standing(self)

    # -- threads ----------------------------------------------------------------

    def thread(
        self,
        name: str,
        body: Callable[[], object],
        *,
        obj: Named | None = None,
        kind: str = "start",
        guard: Callable[[], object] | None = None,
        sleep: Sleep = Sleep.INTERRUPTIBLE,
        access: Access = Access.READ,
        first: Callable[[], tuple[Access, object]] | None = None,
        task: object = None,
        made_by: Named | None = None,
    ) -> Thread:
        """Make a thread that runs *body* when it is first chosen.

        Its first step is the event *kind* on *obj*; until *guard* holds it
        cannot be taken. It does nothing, unless *first* does, and returns the step's
        class and the value. A name that is in use gets a number behind it. Who makes
        it is its creator, unless it is *made_by* all that was done to an object: in
        another order of the same steps somebody else would have come to make it.
        """
        check_is("thread name", name, str, "text")
        check_plain(f"thread {name}: body", body, "a function")
        if name.split() != [name] or "*" in name:
            raise UsageError(
                f"thread name={name!r} must hold no spaces and no '*': "
                "schedules are written with it"
            )
        number, here = self.number(f"thread {name}"), thread_here()
        t = Thread(
            self,
            name if number == 1 else f"{name}/{number}",
            body,
            here if here is not None and here.machine is self else self.boot,
            made_by,
            self.number(f"made by {made_by.uid}") if made_by else 0,
        )
        t.obj = obj
        t.kind = kind
        t.guard = self.standing.guard(task, guard) if task in self.standing else guard
        t.sleep = sleep
        t.access = access
        t.first = first
        t.task = task
        t.born = len(self.events)
        if self.stopping:
            return t  # made by code that is only left: it was never there
        self.threads.append(t)
        self.live.append(t)
        self.carrier.made(t)
        return t

    def live_body(self, t: Thread) -> None:
        """Run *t* from start to end; called on its OS thread."""
        ambient.set(t)
        try:
            t.guard = None
            access, value = (t.access, None) if t.first is None else t.first()
            leave(t, t.obj or Birth(t), access, value, True)
            t.result = t.body()
            if t.held or t.atomic or t.rcu_depth or t.masked:
                section = "an RCU read section" if t.rcu_depth else "off interrupts"
                held = ", ".join(lock.name for lock in t.held) or section
                raise ContextError(f"{t.name} ended while it held {held}")
        except Unwind:
            pass
        except BaseException as error:
            t.error = error
            self.fail(error, t)
        finally:
            ambient.set(None)
            t.state = DONE
            self.live.remove(t)

    def ready(self) -> None:
        """Do what has to be done before the first process is made: here, nothing."""

    # -- names and statics ------------------------------------------------------

    def number(self, key: str) -> int:
        """Count one more *key*, and return how many that makes."""
        number = self.counts.get(key, 0) + 1
        self.counts[key] = number
        return number

    def freed(self, obj: Struct) -> None:
        """Note a death."""
        del self.alive[obj]
        self.dead.append(obj)

    # -- running ----------------------------------------------------------------

    def run(self) -> None:
        """Run until the machine is at rest; raise what went wrong, if anything.

        At rest nobody can take a step. Interruptible sleepers may stay so; anybody
        who waits uninterruptibly, or holds a lock, is a deadlock, unless the host
        keeps somebody waiting.
        """
        self.host_only("run")
        self.check_open()
        self.cuts.append(len(self.events))
        self.carrier.run()
        if self.failure is None and not self.is_kept_waiting():
            try:
                for observer in self.observers:  # they can tell more of a hang
                    observer.at_rest(self)
                self.judge_rest()
            except Report as report:
                self.fail(report, None)
        if self.failure is not None:
            failure = self.failure
            self.close()
            raise failure

    def check_open(self) -> None:
        """Refuse to go on with a machine that was closed."""
        if self.closed:
            raise UsageError("this machine was closed: boot another one")

    def host_only(self, verb: str) -> None:
        """Refuse what only the host may do while programs run."""
        here = thread_here()
        if here is not None and here.machine is self and not here.is_boot:
            raise UsageError(
                f"{verb}(): {here.name} is a program: only the host can, between runs"
            )

    def is_kept_waiting(self) -> bool:
        """Tell whether the host keeps somebody back, so that rest says nothing."""
        return bool(self.standing)

    def judge_rest(self) -> None:
        """Report whatever must not be so on a machine at rest."""
        judge_rest(self.live)

    def fail(self, error: BaseException, t: Thread | None) -> None:
        """Stop the machine because of *error*; the first one counts."""
        if t is not None:
            t.unwinding = True
        if self.failure is not None:
            if error is self.failure and isinstance(error, Report):
                error.stack = stack_of(error)  # it has come further up by now
            return
        self.failure = error
        self.stopping = True
        if isinstance(error, Report):
            error.schedule = str(self.schedule)
            error.threads = tuple(f"{x.name}: {x.waits()}" for x in self.live)
            if t is not None:
                error.thread = t.name
                error.held = tuple(lock.name for lock in t.held)
                error.taken = tuple(since(lock, t) for lock in t.held)
                error.stack = stack_of(error)

    @property
    def schedule(self) -> Schedule:
        """Who took each step so far."""
        return Schedule(t.name for t in self.steps)

    def close(self) -> None:
        """Power off: every thread comes down, and its OS thread goes back."""
        if self.closed:
            return
        self.host_only("close")
        self.closed = True
        self.stopping = True
        try:
            self.carrier.unwind()
        finally:
            if self._own_pool:
                self.pool.close()

    def __enter__(self) -> Self:
        self._outer.append(thread_here())
        ambient.set(self.boot)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        ambient.set(self._outer.pop())


def _check_parts(
    config: object, observers: Sequence[object], pool: object, max_steps: object
) -> None:
    """Refuse parts that do not do what parts of a machine do."""
    check_is("Machine: config", config, Config, "a Config")
    check_is("Machine: pool", pool, Pool, "a Pool")
    check_whole("Machine: max_steps", max_steps)
    check_is("Machine: observers", observers, Sequence, "a list of observers")
    for observer in observers:
        if not callable(getattr(observer, "event", None)):
            raise UsageError(
                f"Machine: observers has {observer!r} in it: an observer has event()"
            )


def _carrier(
    machine: Machine,
    scheduler: Scheduler | None,
    backend: Backend,
    baton: type[Baton],
    seed: int,
    jitter: int,
) -> Baton | FreeRunning:
    """Make what runs the machine's threads."""
    check_is("Machine: backend", backend, Backend, "a Backend, as Backend.BATON")
    check_is("Machine: seed", seed, int, "a whole number")
    check_whole("Machine: jitter", jitter, least=0)
    if not (isinstance(baton, type) and issubclass(baton, Baton)):
        raise UsageError(f"Machine: baton={baton!r} must be Baton or Greenlets")
    if scheduler is not None and not callable(getattr(scheduler, "choose", None)):
        raise UsageError(
            f"Machine: scheduler={scheduler!r} must be a Scheduler, as RandomWalk(0): "
            "names are for explore()"
        )
    if backend is Backend.BATON:
        return baton(machine, scheduler or FirstEnabled())
    return FreeRunning(machine, seed=seed, jitter=jitter)


def current_machine() -> Machine:
    """Return the machine whose code runs here."""
    return (thread_here() or current_thread()).machine
