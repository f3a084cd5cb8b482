# SPDX-License-Identifier: GPL-2.0-only
"""Write the reference pages from the code: ``python docs/reference/generate.py``.

The pages are committed, so that they read without tools; a test makes them again
and compares.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).parent
_MARK = "<!-- Made by docs/reference/generate.py; change the code instead. -->\n\n"


#: What is a program, or needs a package that users of the rest do without.
_LEFT_OUT = ("__main__", "strategies", "stateful", "pytest_plugin", "greenlets")


def _import_everything() -> None:
    import pykmm

    for module in pkgutil.walk_packages(pykmm.__path__, "pykmm."):
        if not any(word in module.name for word in _LEFT_OUT):
            importlib.import_module(module.name)


def _table(head: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    titles = head.split(", ")
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for row in rows:
        cells = [cell.replace("|", "&#124;") for cell in row]
        yield " ".join(f"| {' | '.join(cells)} |".split())
    yield ""


def _by_file(head: str, rows: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[str]:
    for path, group in groupby(sorted(rows), key=lambda row: row[0]):
        yield from ("", f"## {path}", "")
        yield from _table(head, [row for _, row in group])


def _plain(text: str) -> str:
    """Turn the marks of a docstring into those of Markdown, on one line."""
    text = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text)
    return " ".join(text.replace("``", "`").split())


def _first(thing: object) -> str:
    """Return the first paragraph of a docstring."""
    return _plain((inspect.getdoc(thing) or "").partition("\n\n")[0])


def _section(thing: object, title: str) -> str:
    """Return a section of a docstring, which ends where the next one begins."""
    doc = inspect.getdoc(thing) or ""
    found = re.search(rf"^{title}: (.*?)(?=^\S|\n\n|\Z)", doc, re.MULTILINE | re.DOTALL)
    return _plain(found[1]) if found else ""


# -- the pages ----------------------------------------------------------------------


def fidelity() -> Iterator[str]:
    """Yield what each function follows, and how closely."""
    from pykmm.engine.annotate import SYMBOLS

    yield "# What each function follows, and how closely"
    yield ""
    yield "*Faithful* functions take the same visible steps in the same order as Linux."
    yield "*Abridged* ones and *stubs* do less, and the reason says what is left out."
    yield "*Checked* is the version that a person last compared the function with."
    yield "A patch can replace every function but the *inline* ones."
    yield from _by_file(
        "function, checked, grade, reason",
        [
            (
                s.path,
                (
                    f"`{s.function}()`",
                    s.checked,
                    s.grade if s.patchable else f"{s.grade}, inline",
                    _plain(s.reason),
                ),
            )
            for s in SYMBOLS.values()
        ],
    )


def contexts() -> Iterator[str]:
    """Yield what each function asks of its callers."""
    from pykmm.engine.annotate import SYMBOLS

    yield "# What each function asks of its callers"
    yield ""
    yield "Which locks the caller holds, which ones the function takes, and whether it"
    yield "may sleep: the `Context:` sections of the docstrings."
    rows = []
    for (module, name), symbol in SYMBOLS.items():
        context = _section(getattr(sys.modules[module], name, None), "Context")
        if context:
            rows.append((symbol.path, (f"`{name}()`", context)))
    yield from _by_file("function, context", rows)


_RULES = {
    "const": "does not change while others can see it",
    "embedded": "a lock, counter or flag word with steps of its own",
    "owned": "written by its task's own thread only",
    "shared": "read and written without a lock",
}


def locks() -> Iterator[str]:
    """Yield the locking rule of each field."""
    from pykmm.engine.rules import RULES

    yield "# The locking rule of each field"
    yield ""
    yield "The engine checks these at every access, and reports who breaks one."
    yield "Fields stand in the order of their declaration."
    structs = groupby(RULES.items(), key=lambda item: item[0][0])
    for struct, group in sorted((name, list(fields)) for name, fields in structs):
        yield from ("", f"## {struct}", "")
        rows = []
        for (_, field), rule in group:
            words = _RULES.get(rule.kind, "")
            if rule.kind == "guarded":
                words = f"`{rule.by}`"
                words += "; marked reads go without" if rule.lockless else ""
                words += (
                    f"; its owner `{rule.owner}` reads freely" if rule.owner else ""
                )
            rows.append((f"`{field}`", rule.kind, words))
        yield from _table("field, rule, its lock or what the rule means", rows)


def reports() -> Iterator[str]:
    """Yield the kinds of reports, and who makes them."""
    from pykmm import errors
    from pykmm.detect import DETECTORS

    yield "# Reports and detectors"
    yield ""
    yield "A report is a bug of the modelled kernel, and the schedule that leads to it."
    yield ""
    kinds = [getattr(errors, name) for name in errors.__all__]
    yield from _table(
        "kind, class, what happened",
        [
            (f"`{kind.kind}`", f"`{kind.__name__}`", _first(kind))
            for kind in kinds
            if inspect.isclass(kind)
            and issubclass(kind, errors.Report)
            and kind is not errors.Report
        ],
    )
    yield "Many come from the engine itself; these detectors add theirs."
    yield ""
    found = DETECTORS.values()
    yield from _table("detector, finds", [(f"`{d.name}`", d.summary) for d in found])


def steps() -> Iterator[str]:
    """Yield which steps commute."""
    from pykmm.engine.events import CONFLICTS, Access

    yield "# Which steps commute"
    yield ""
    yield "Two threads take a step each on one object."
    yield "Where the table has a dot, nobody can tell which came first."
    yield "Where it has an x, the order can matter, and the explorer tries both."
    yield "A step's class is chosen by its outcome: a failed trylock is a READ."
    yield ""
    rows = [
        (f"**{a.name}**", *("x" if CONFLICTS[a][b] else "." for b in Access))
        for a in Access
    ]
    yield from _table(", ".join(("class", *(a.name for a in Access))), rows)


def patches() -> Iterator[str]:
    """Yield the variants of the kernel."""
    from pykmm.patches.bugs import BUGS
    from pykmm.patches.designs import DESIGNS
    from pykmm.patches.kernels import v6_12

    yield "# Variants of the kernel"
    yield ""
    yield "`--design` and `--bug` choose one; `Scenario.but(patches=(...,))` takes any."
    parts = {"Designs": DESIGNS, "Bugs": BUGS, "Kernels": {"v6.12": v6_12.patch}}
    for title, group in parts.items():
        yield from ("", f"## {title}", "")
        yield from _table(
            "name, what it does, replaces, comes from, is reported as",
            [
                (
                    f"`{p.name}`",
                    p.summary,
                    ", ".join(f"`{f.__name__}()`" for f in p.functions.values()),
                    p.origin,
                    ", ".join(f"`{kind.kind}`" for kind in p.reports),
                )
                for p in group.values()
            ],
        )


def calls() -> Iterator[str]:
    """Yield what system calls answer."""
    from pykmm import syscalls

    yield "# System calls and what they answer"
    yield ""
    yield "A program makes them from `pykmm.syscalls`; a failure is a negative errno."
    yield "Where the last column is empty, the middle one says it all."
    yield ""
    functions = [(name, getattr(syscalls, name)) for name in syscalls.__all__]
    yield from _table(
        "call, what it does, answers",
        [(f"`{name}()`", _first(f), _section(f, "Return")) for name, f in functions],
    )


def api() -> Iterator[str]:
    """Yield the public names."""
    import pykmm

    yield "# What `import pykmm` gives"
    yield ""
    rows = []
    for name, home in sorted(pykmm._HOMES.items()):
        # By its home: a package can have the name of the function that it exports.
        thing = getattr(importlib.import_module(f"pykmm.{home}"), name)
        about = f"`{thing!r}`" if isinstance(thing, str) else _first(thing)
        rows.append((f"`{name}`", f"`pykmm.{home}`", about))
    yield from _table("name, defined in, what it is", rows)
    yield "`help(pykmm.explore)`, for instance, tells the arguments."


def process_states() -> Iterator[str]:
    """Yield what each observer sees of a process in each of its states."""
    import states

    yield from states.TEXT.splitlines()
    yield from _table(states.HEAD, states.rows())


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "api": api,
    "calls": calls,
    "contexts": contexts,
    "fidelity": fidelity,
    "locks": locks,
    "patches": patches,
    "process-states": process_states,
    "reports": reports,
    "steps": steps,
}


def page(name: str) -> str:
    """Return the text of a page."""
    _import_everything()
    return _MARK + re.sub(r"\n{3,}", "\n\n", "\n".join(PAGES[name]())).rstrip() + "\n"


def main(directory: Path) -> None:
    """Write every page anew."""
    for name in PAGES:
        (directory / f"{name}.md").write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parents[1]))
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
