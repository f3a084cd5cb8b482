# SPDX-License-Identifier: GPL-2.0-only
"""pykmm: the Linux OOM killer, the OOM reaper and ``process_mrelease()``, running.

What stands where, from the bottom up:

- ``errors``, ``errno``: what can go wrong, by whose fault
- ``engine``: one execution of one machine over real threads
- ``schedulers``, ``detect``, ``trace``: who goes next, who watches, what is drawn
- ``linux``, ``lib``, ``kernel``, ``mm``, ``fs``: what exists in Linux, at its paths
- ``patches``, ``invariants``: variants of the kernel, and the laws it keeps
- ``runner``, ``scenarios``, ``workbench``: booting machines and exploring them
- ``comparison``: designs of kill-and-release against their outcomes
- ``report``, ``predict``, ``oracle``: real reports, the live machine, worlds for ports

Importing this gives the workbench and nothing that Linux owns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .comparison import compare
    from .engine.config import BASELINE, Config
    from .engine.scheduler import Schedule
    from .errors import Report, UsageError
    from .runner import Scenario, explore, replay
    from .trace.record import Trace
    from .workbench import Machine

__all__ = [
    "BASELINE",
    "Config",
    "Machine",
    "Report",
    "Scenario",
    "Schedule",
    "Trace",
    "UsageError",
    "__version__",
    "compare",
    "explore",
    "replay",
]

_HOMES = {
    "BASELINE": "engine.config",
    "Config": "engine.config",
    "Machine": "workbench",
    "Report": "errors",
    "Scenario": "runner",
    "Schedule": "engine.scheduler",
    "Trace": "trace.record",
    "UsageError": "errors",
    "compare": "comparison",
    "explore": "runner",
    "replay": "runner",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: importing pykmm is cheap."""
    from importlib import import_module

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'pykmm' has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
