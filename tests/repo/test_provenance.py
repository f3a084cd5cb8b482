# SPDX-License-Identifier: GPL-2.0-only
"""What mirrors Linux says so, and stands where Linux has it."""

from __future__ import annotations

import os
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pykmm.engine.annotate import SYMBOLS, Symbol
from pykmm.engine.config import BASELINE

if TYPE_CHECKING:
    from tests.repo.conftest import Check, Source

#: Modules that need an extra, and what it installs.
OPTIONAL = {"pykmm.engine.greenlets": "greenlet"}

_STEP = "a primitive is one step of the engine: its operations stand with its type"

#: Functions that stand elsewhere than their Linux file would say, and why.
ELSEWHERE = {
    ("pykmm.linux.bug", "include/asm-generic/bug.h"): "linux/bug.h only includes it",
    ("pykmm.linux.bug", "kernel/panic.c"): _STEP,
    ("pykmm.linux.completion", "kernel/sched/completion.c"): _STEP,
    ("pykmm.linux.jiffies", "kernel/time/sleep_timeout.c"): _STEP,
    ("pykmm.linux.mutex", "kernel/locking/mutex.c"): _STEP,
    ("pykmm.linux.rculist", "include/linux/list.h"): "both share one type of list",
    ("pykmm.linux.rcupdate", "kernel/rcu/tree.c"): _STEP,
    ("pykmm.linux.refcount", "lib/refcount.c"): _STEP,
    ("pykmm.linux.rwsem", "kernel/locking/rwsem.c"): _STEP,
    ("pykmm.linux.spinlock", "include/linux/rwlock.h"): "both kinds share their rules",
    ("pykmm.linux.srcu", "kernel/rcu/srcutree.c"): _STEP,
    ("pykmm.linux.timer", "kernel/time/timer.c"): _STEP,
}

#: A Linux source directory, for whoever has one; nothing else depends on it.
LINUX = os.environ.get("PYKMM_LINUX_SOURCE", "")

#: Headers whose functions each architecture defines somewhere else.
BY_ARCHITECTURE = ("include/linux/bitops.h", "include/asm-generic/bug.h")

_HEADER = re.compile(r"include/(?:linux/)?((?<=linux/).+|trace/.+)\.h")
_FILE = re.compile(r"((?:mm|kernel|fs|lib|drivers)/.+)\.[ch]")


def home_of(path: str) -> tuple[str, bool]:
    """Return the module for a Linux file, and whether parts may stand beside it."""
    header, file = _HEADER.fullmatch(path), _FILE.fullmatch(path)
    inner = f"linux/{header[1]}" if header else file[1] if file else ""
    return "pykmm." + inner.replace("-", "_").replace("/", "."), file is not None


def stands_right(module: str, path: str) -> bool:
    """Tell whether *module* is where a function of *path* belongs."""
    home, may_split = home_of(path)
    return module == home or (may_split and module.startswith(f"{home}_"))


@pytest.fixture(scope="module")
def broken(package: dict[str, Source]) -> list[str]:
    """Import the whole package; what cannot be imported, and why."""
    errors = []
    for name in package:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            # An optional extra may be missing; that is all that may.
            if OPTIONAL.get(name) != error.name:
                errors.append(f"{package[name].path}: {error}")
        except Exception as error:
            errors.append(f"{package[name].path}: {type(error).__name__}: {error}")
    return errors


@pytest.fixture
def symbols(broken: list[str]) -> list[Symbol]:
    """All mirrored functions of the package."""
    return [s for s in SYMBOLS.values() if s.module.split(".")[0] == "pykmm"]


@pytest.mark.parametrize(
    ("path", "module", "right"),
    [
        ("include/linux/mm.h", "pykmm.linux.mm", True),
        ("include/linux/mm.h", "pykmm.linux.mm_types", False),
        ("include/linux/sched.h", "pykmm.linux.sched", True),
        ("include/linux/sched/mm.h", "pykmm.linux.sched.mm", True),
        ("include/linux/sched/mm.h", "pykmm.linux.mm", False),
        ("include/linux/page-flags.h", "pykmm.linux.page_flags", True),
        ("mm/oom_kill.c", "pykmm.mm.oom_kill", True),
        ("mm/oom_kill.c", "pykmm.mm.oom_kill_reaper", True),
        ("mm/oom_kill.c", "pykmm.mm.oom", False),
        ("mm/vma.h", "pykmm.mm.vma", True),
        ("kernel/sched/core.c", "pykmm.kernel.sched.core", True),
        ("kernel/sched/core.c", "pykmm.kernel.core", False),
        ("kernel/entry/common.c", "pykmm.kernel.entry.common", True),
        ("fs/proc/base.c", "pykmm.fs.proc.base", True),
        ("drivers/tty/sysrq.c", "pykmm.drivers.tty.sysrq", True),
        ("include/trace/events/oom.h", "pykmm.linux.trace.events.oom", True),
        ("include/trace/events/oom.h", "pykmm.linux.oom", False),
        ("include/asm-generic/bug.h", "pykmm.linux.bug", False),
        ("arch/x86/mm/fault.c", "pykmm.mm.fault", False),
    ],
)
def test_path_rule(path: str, module: str, right: bool) -> None:
    assert stands_right(module, path) is right


def test_every_module_can_be_imported(broken: list[str], assert_none: Check) -> None:
    assert_none(broken)


def test_functions_stand_where_linux_has_them(
    symbols: list[Symbol], assert_none: Check
) -> None:
    assert_none(
        sorted(
            f"{s.module}.{s.function}: {s.path}"
            for s in symbols
            if not stands_right(s.module, s.path)
            and (s.module, s.path) not in ELSEWHERE
        )
    )


def test_exceptions_are_still_needed(symbols: list[Symbol], broken: list[str]) -> None:
    used = {(s.module, s.path) for s in symbols}
    assert broken or sorted(ELSEWHERE.keys() - used) == []


def test_a_part_stands_beside_its_file(
    symbols: list[Symbol], package: dict[str, Source], assert_none: Check
) -> None:
    homes = {s.module: home_of(s.path)[0] for s in symbols if home_of(s.path)[1]}
    assert_none(
        f"{package[module].path} is a part of nothing: there is no {home}"
        for module, home in homes.items()
        if module.startswith(f"{home}_") and home not in package
    )


def test_what_is_not_faithful_says_why(
    symbols: list[Symbol], assert_none: Check
) -> None:
    assert_none(
        f"{s.module}.{s.function}: {s.grade}"
        for s in symbols
        if s.grade not in ("faithful", "abridged", "stub")
        or (s.grade == "faithful") is bool(s.reason.strip())
    )


def test_everything_was_checked_against_the_baseline(
    symbols: list[Symbol], assert_none: Check
) -> None:
    assert symbols
    assert_none(
        f"{s.module}.{s.function}: {s.checked}"
        for s in symbols
        if s.checked != BASELINE
    )


@pytest.mark.skipif(not LINUX, reason="PYKMM_LINUX_SOURCE names no Linux source")
def test_linux_has_these_functions_there(
    symbols: list[Symbol], assert_none: Check
) -> None:
    assert_none(
        sorted(
            f"{s.module}.{s.function}: not in {s.path}"
            for s in symbols
            if s.path not in BY_ARCHITECTURE
            and not re.search(_called(s.function), _text_of(s.path))
        )
    )


def _called(function: str) -> str:
    """Return a pattern for the name; that of a tracepoint is made from its event's."""
    event = function.removeprefix("trace_")
    return rf"\b{function}\b|\bTRACE_EVENT\({event},"


@cache
def _text_of(path: str) -> str:
    """Read a Linux file, or a header with those of the directory of its name.

    Such a header (``atomic.h``) only includes what is generated beside it.
    """
    file = Path(LINUX, path)
    files = [file, *sorted(file.with_suffix("").glob("*.h"))]
    return "\n".join(f.read_text(encoding="utf-8") for f in files if f.exists())
