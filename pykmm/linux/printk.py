# SPDX-License-Identifier: GPL-2.0-only
"""The kernel log and event counters — ``include/linux/printk.h``.

Printing and counting are no steps: no decision hangs on them, so the order of two
lines from different threads makes no new execution. A replay prints the same lines
in the same order all the same.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, Final, cast

from ..engine.machine import current_machine
from ..engine.statics import MachineLocal
from ..engine.thread import Thread, current_thread, thread_here

if TYPE_CHECKING:
    from ..engine.machine import Machine

__all__ = [
    "KERN_DEBUG",
    "KERN_DEFAULT",
    "KERN_EMERG",
    "KERN_ERR",
    "KERN_INFO",
    "KERN_NOTICE",
    "KERN_WARNING",
    "Console",
    "Dump",
    "console",
    "count_vm_event",
    "kernel_log",
    "pr_cont",
    "pr_emerg",
    "pr_err",
    "pr_info",
    "pr_notice",
    "pr_warn",
    "pr_warn_once",
    "printk",
    "printk_dump",
    "trace",
]

KERN_EMERG: Final = 0
KERN_ERR: Final = 3
KERN_WARNING: Final = 4
KERN_NOTICE: Final = 5
KERN_INFO: Final = 6
KERN_DEBUG: Final = 7
#: What a line without a level gets (CONFIG_MESSAGE_LOGLEVEL_DEFAULT).
KERN_DEFAULT: Final = KERN_WARNING


class Dump(str):
    """A line that shows the state of a machine: its memory, or a stack.

    Tools that compare what was decided pass over these lines.
    """

    __slots__ = ()


class Console:
    """What a machine has printed, traced and counted so far."""

    def __init__(self) -> None:
        #: Level and text of each line, without a time stamp.
        self.lines: list[tuple[int, str]] = []
        #: Name and arguments of each tracepoint hit and effect, in order.
        self.effects: list[tuple[object, ...]] = []
        #: The counters of ``/proc/vmstat``.
        self.vm_events: dict[str, int] = {}
        #: What has been said once and will not be said again.
        self.once: dict[str, None] = {}
        # Where the line is that a thread may continue.
        self._open: dict[Thread, int] = {}
        self._lock = allocate_lock()

    def add(self, thread: Thread, level: int, text: str) -> None:
        """Print a line on behalf of *thread*."""
        with self._lock:
            self._open[thread] = len(self.lines)
            self.lines.append((level, text))

    def extend(self, text: str) -> None:
        """Continue the running thread's line."""
        with self._lock:
            where = self._open[current_thread()]
            level, begun = self.lines[where]
            self.lines[where] = (level, type(begun)(begun + text))

    def verdicts(self, start: int = 0) -> list[str]:
        """Return the lines from number *start* on that are no dump."""
        return [text for _, text in self.lines[start:] if not isinstance(text, Dump)]


_console = MachineLocal(Console)


def console() -> Console:
    """Return the running machine's console."""
    return _console()


def kernel_log(machine: Machine) -> str:
    """Return all that *machine* has printed, as ``dmesg`` without times would.

    It may be closed by now.
    """
    found = machine.locals.get(cast("MachineLocal[object]", _console))
    assert found is None or isinstance(found, Console)  # what it was made as
    return "" if found is None else "".join(f"{text}\n" for _, text in found.lines)


def printk(text: str, level: int = KERN_DEFAULT) -> None:
    """Print a line."""
    thread = thread_here() or current_thread()
    if not thread.machine.stopping:
        _console().add(thread, level, text)


def printk_dump(text: str, level: int = KERN_DEFAULT) -> None:
    """Print a line of a dump."""
    printk(Dump(text), level)


def pr_cont(text: str) -> None:
    """Continue the line that this thread printed last."""
    if not current_machine().stopping:
        _console().extend(text)


def pr_emerg(text: str) -> None:
    """Print a line at level emerg."""
    printk(text, KERN_EMERG)


def pr_err(text: str) -> None:
    """Print a line at level err."""
    printk(text, KERN_ERR)


def pr_warn(text: str) -> None:
    """Print a line at level warning."""
    printk(text, KERN_WARNING)


def pr_notice(text: str) -> None:
    """Print a line at level notice."""
    printk(text, KERN_NOTICE)


def pr_info(text: str) -> None:
    """Print a line at level info."""
    printk(text, KERN_INFO)


def pr_warn_once(what: str, text: str) -> None:
    """Print a warning, the first time that the machine has to say *what*."""
    once = _console().once
    if what not in once:
        once[what] = None
        pr_warn(text)


def trace(name: str, *args: object) -> None:
    """Note an effect that ports compare."""
    if not current_machine().stopping:
        _console().effects.append((name, *args))


def count_vm_event(name: str) -> None:
    """Count an event of ``/proc/vmstat``."""
    events = _console().vm_events
    events[name] = events.get(name, 0) + 1
    trace("vm_event", name)
