# SPDX-License-Identifier: GPL-2.0-only
"""Who may import whom: a layer sees what stands below it, and nobody else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.repo.conftest import Check, Import, Source

LAYERS = (
    ("errors", "errno"),
    ("engine",),
    ("linux", "lib"),
    ("mm", "kernel", "fs", "drivers"),
    ("patches", "holds", "invariants", "boot", "syscalls"),
    ("runner", "scenario", "scenarios", "workbench"),
    ("comparison", "report", "predict", "oracle", "strategies", "stateful"),
    ("__init__", "__main__", "cli", "pytest_plugin"),
)
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}

#: Kernel-agnostic: they see layers 0 and 1, and are seen by layers 5 to 7.
SIDE = ("schedulers", "detect", "trace")
SIDE_SEES = 1
SIDE_SEEN_FROM = 5

#: Units of one layer that may see each other all the same, and why.
BESIDE = {
    ("lib", "linux"): "a library's structures are declared in headers",
    ("linux", "lib"): "inline helpers call the library; modules make no cycle",
    ("mm", "kernel"): "an exit frees memory, an OOM kill sends signals",
    ("kernel", "mm"): "the same from the other side; modules make no cycle",
    ("fs", "mm"): "an exec makes a new address space",
    ("fs", "kernel"): "a core dump is written by an exiting task",
    ("mm", "fs"): "mappings name files",
    ("kernel", "fs"): "an exiting task closes its files",
    ("invariants", "holds"): "what the host holds counts, too",
    ("invariants", "patches"): "what a patch keeps beside a structure counts, too",
    ("drivers", "kernel"): "a device is for who may have it",
    ("drivers", "mm"): "a key asks the OOM killer",
    ("fs", "drivers"): "a file does what the key does",
    ("runner", "scenario"): "it runs them",
    ("runner", "workbench"): "it boots the machine that a scenario gets",
    ("scenarios", "scenario"): "each is one",
    ("scenarios", "workbench"): "each spawns processes",
    ("scenario", "workbench"): "it says which machine it wants",
    ("stateful", "strategies"): "its rules draw from them",
    ("__main__", "cli"): "it runs a command",
    ("__main__", "__init__"): "it prints the version",
    ("cli", "__init__"): "it prints the version",
    ("pytest_plugin", "cli"): "it says the same in the same words",
}

#: What comes from outside, and the one place that may know of it.
OUTSIDE = {
    "sortedcontainers": ("pykmm.lib.maple_tree",),
    "hypothesis": ("pykmm.oracle", "pykmm.strategies", "pykmm.stateful"),
    "pytest": ("pykmm.pytest_plugin",),
    "greenlet": ("pykmm.engine.greenlets",),
    "importlib": ("pykmm", "pykmm.__main__", "pykmm.engine.annotate"),
}

#: Packages whose modules refer to each other's types in circles, as headers do.
CIRCULAR_TYPES = ("linux", "engine", "workbench")


def _target(package: dict[str, Source], found: Import) -> Source | None:
    return package.get(f"{found.base}.{found.name}") or package.get(found.base)


def _inner(package: dict[str, Source]) -> Iterator[tuple[Source, Source, Import]]:
    for source in package.values():
        for found in source.imports():
            target = _target(package, found)
            if target is not None:
                yield source, target, found


def _may_see(source: str, target: str) -> bool:
    if source == target or (source, target) in BESIDE:
        return True
    if source in SIDE:
        return target not in SIDE and LEVEL[target] <= SIDE_SEES
    if target in SIDE:
        return LEVEL[source] >= SIDE_SEEN_FROM
    return LEVEL[target] < LEVEL[source]


def _circles(package: dict[str, Source], wanted: tuple[str, ...]) -> Iterator[str]:
    graph: dict[str, set[str]] = {name: set() for name in package}
    for source, target, found in _inner(package):
        if found.where not in wanted or source is target:
            continue
        if found.where == "typing" and source.unit == target.unit in CIRCULAR_TYPES:
            continue
        graph[source.module].add(target.module)
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = error.args[1]
            yield " <- ".join(circle)
            graph[circle[1]].remove(circle[0])  # go on without this import
        else:
            return


@pytest.mark.parametrize(
    ("source", "target", "may"),
    [
        ("mm", "linux", True),
        ("linux", "mm", False),
        ("linux", "errno", True),
        ("engine", "linux", False),
        ("mm", "kernel", True),
        ("schedulers", "engine", True),
        ("schedulers", "linux", False),
        ("detect", "trace", False),
        ("mm", "schedulers", False),
        ("runner", "detect", True),
        ("runner", "scenarios", False),
        ("scenarios", "runner", False),
        ("report", "mm", True),
        ("report", "cli", False),
    ],
)
def test_layer_rule(source: str, target: str, may: bool) -> None:
    assert _may_see(source, target) is may


def test_every_unit_is_listed(package: dict[str, Source], assert_none: Check) -> None:
    units = {source.unit for source in package.values()}
    assert_none(sorted(units - LEVEL.keys() - set(SIDE)))


def test_imports_go_down(package: dict[str, Source], assert_none: Check) -> None:
    assert_none(
        source.at(found.line, f"{source.unit} imports {target.module}")
        for source, target, found in _inner(package)
        if not _may_see(source.unit, target.unit)
    )


def test_absolute_imports_name_modules_that_exist(
    package: dict[str, Source], assert_none: Check
) -> None:
    assert_none(
        source.at(found.line, f"no module {found.base}")
        for source in package.values()
        for found in source.imports()
        if found.base.split(".")[0] == "pykmm" and found.base not in package
    )


def test_modules_import_each_other_in_no_circle(
    package: dict[str, Source], assert_none: Check
) -> None:
    assert_none(_circles(package, ("module",)))


def test_types_go_in_circles_only_among_headers(
    package: dict[str, Source], assert_none: Check
) -> None:
    assert_none(_circles(package, ("module", "typing")))


def test_foreign_packages_stay_in_their_corner(
    package: dict[str, Source], assert_none: Check
) -> None:
    assert_none(
        source.at(found.line, f"imports {found.base}")
        for source in package.values()
        for found in source.imports()
        for foreign, homes in OUTSIDE.items()
        if found.base.split(".")[0] == foreign and not _at_home(source.module, homes)
    )


def _at_home(module: str, homes: tuple[str, ...]) -> bool:
    """Tell whether *module* is one of *homes*, inside it, or a part beside it."""
    return any(
        module == home
        or (home != "pykmm" and module.startswith((f"{home}.", f"{home}_")))
        for home in homes
    )


def test_the_package_names_itself_in_one_way(
    package: dict[str, Source], assert_none: Check
) -> None:
    assert_none(
        source.at(node.lineno, f"import {node.module} relatively")
        for source in package.values()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and not node.level
        if (node.module or "").partition(".")[0] == "pykmm"
    )


def test_the_plugin_costs_other_suites_nothing(
    package: dict[str, Source], assert_none: Check
) -> None:
    plugin = [s for s in package.values() if s.module == "pykmm.pytest_plugin"]
    assert_none(
        source.at(found.line, f"{target.module} is imported outside of a hook")
        for source, target, found in _inner(package)
        if source in plugin and found.where == "module"
    )


def test_externs_name_functions_that_exist(
    package: dict[str, Source], assert_none: Check
) -> None:
    wrong = []
    for source in package.values():
        for call in _extern_calls(source):
            module, name = (ast.literal_eval(argument) for argument in call.args)
            home = package.get(module)
            if home is None or name not in _defined(home):
                wrong.append(source.at(call.lineno, f"no function {module}.{name}"))
            elif LEVEL[home.unit] < LEVEL[source.unit]:
                wrong.append(
                    source.at(call.lineno, f"import {name} instead: it is below")
                )
    assert_none(wrong)


def _extern_calls(source: Source) -> Iterator[ast.Call]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "extern":
            yield node


def _defined(source: Source) -> set[str]:
    names = {found.name for found in source.imports() if found.where == "module"}
    return names | {node.name for node in source.tree.body if hasattr(node, "name")}
