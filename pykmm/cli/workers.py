# SPDX-License-Identifier: GPL-2.0-only
"""The processes of ``--jobs``, which Ctrl-C does not stop one by one.

A terminal sends SIGINT to all of them. Who prints what, and ends the others, is for
the first one to decide, so the others are started with the signal blocked.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from multiprocessing import active_children, parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

__all__ = ["workers"]


class _Worker(SpawnProcess):
    """A process that inherits a mask with SIGINT in it, where there are masks."""

    def start(self) -> None:
        """Start it; a signal that comes meanwhile is this process's own."""
        if not hasattr(signal, "pthread_sigmask"):
            super().start()
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _Worker


def _end_with_parent() -> None:
    """Have this process end when the first one does, even if that was killed.

    What it works at could go on for hours, and nobody would ever ask for the answer.
    """
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, name="watch the parent", daemon=True).start()


@contextmanager
def workers(jobs: int) -> Iterator[Executor | None]:
    """Give *jobs* processes to work in; none for one job.

    If the block raises, nobody needs what they still do: they are ended.
    """
    if jobs == 1:
        yield None
        return
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(
        jobs, mp_context=_Context(), initializer=_end_with_parent
    )
    with pool as executor:
        try:
            yield executor
        except BaseException:
            for process in active_children():
                process.terminate()
            raise
