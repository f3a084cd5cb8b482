# SPDX-License-Identifier: GPL-2.0-only
"""OS threads that wait for work, so that an execution need not start any.

Starting a thread costs more than a whole small execution. An explorer therefore
hands one pool to all its machines; a machine without one makes its own and
closes it when it is closed, so that no thread outlives it.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from threading import Thread as OsThread
from threading import local
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

__all__ = ["Pool", "Worker"]


class Worker:
    """One parked OS thread. Its lock is its doorbell, and its job's baton."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.lock = allocate_lock()
        self.lock.acquire()
        self.job: Callable[[Worker], None] | None = None
        self.os_thread = OsThread(target=self._loop, name="pykmm", daemon=True)
        self.os_thread.start()

    def _loop(self) -> None:
        if self.pool.cpus is not None:
            os.sched_setaffinity(0, self.pool.cpus)
        while True:
            self.lock.acquire()
            job, self.job = self.job, None
            if job is None:
                return
            job(self)

    def give(self, job: Callable[[Worker], None]) -> None:
        """Start *job*; the worker must have been taken from the pool."""
        self.job = job
        self.lock.release()


class _Flows(local):
    """Greenlets that wait for work: each OS thread can only use its own."""

    def __init__(self) -> None:
        self.parked: list[Any] = []


class Pool:
    """A growing set of workers.

    With ``pin`` they share one processor: with the interpreter lock only one can
    run anyway, and a hand-over within one processor is several times cheaper.
    """

    def __init__(self, *, pin: bool = True) -> None:
        self.idle: list[Worker] = []
        self.all: list[Worker] = []
        self.cpus = _one_cpu() if pin else None
        self.flows = _Flows()

    def take(self) -> Worker:
        """Return an idle worker, or a new one."""
        if self.idle:
            return self.idle.pop()
        worker = Worker(self)
        self.all.append(worker)
        return worker

    def close(self) -> None:
        """End all workers and wait until they are gone; idempotent.

        An interrupt in code that takes no steps leaves a worker busy. Nobody waits
        for that one: it ends when its job does.
        """
        idle = list(self.idle)
        for worker in self.all:
            if worker.lock.locked():
                worker.lock.release()
        for worker in idle:
            worker.os_thread.join()
        self.all.clear()
        self.idle.clear()
        self.flows.parked.clear()  # a greenlet that nobody knows any more ends

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _one_cpu() -> set[int] | None:
    if not hasattr(os, "sched_getaffinity"):
        return None
    cpus = sorted(os.sched_getaffinity(0))
    return {cpus[os.getpid() % len(cpus)]}
