# SPDX-License-Identifier: GPL-2.0-only
"""Model code has no source of chance: no clock, no dice, no hash order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.repo.conftest import Check, Source

#: Modules through which the world outside gets in, or work goes out.
OUTER_WORLD = (
    "asyncio",
    "datetime",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "tempfile",
    "threading",
    "time",
    "uuid",
    "weakref",
)
#: Calls that show their argument's order.
ORDERED = ("enumerate", "filter", "iter", "list", "map", "tuple", "zip")
ADDRESSES = ("hash", "id")

#: Registries that start empty: filled at import, then constant.
REGISTRIES = ("CONTRACTS", "INTERRUPTS", "RULES", "SYMBOLS")


def _is_set(node: ast.AST, names: frozenset[str] = frozenset()) -> bool:
    """Tell whether an expression is a set: by its form, or a name known as one."""
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(
            left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()
        ):
            return _is_set(left, names)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in names
    return False


def _set_names(tree: ast.AST) -> frozenset[str]:
    """Return the names and attributes that the module declares or makes as sets."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name)):
                declared = ast.unparse(node.annotation).split("[")[0]
                if declared in ("set", "frozenset") or (
                    node.value and _is_set(node.value)
                ):
                    names.add(name)
            case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)]):
                if _is_set(node.value):
                    names.add(name)
    return frozenset(names)


def _iterated(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.For(iter=what) | ast.comprehension(iter=what):
                yield what
            case ast.Call(func=ast.Name(id=name)) if name in ORDERED:
                yield from node.args
            case ast.Starred(value=what):
                yield what


def _calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in ADDRESSES:
                yield node.lineno, f"{name}()"


def _findings(tree: ast.Module, names: frozenset[str]) -> Iterator[tuple[int, str]]:
    for what in _iterated(tree):
        if _is_set(what, names):
            yield what.lineno, f"iterates over the set {ast.unparse(what)}"
    yield from _calls(tree)


@pytest.fixture(scope="module")
def set_names(mirrored: list[Source]) -> frozenset[str]:
    """Fields that any mirrored structure declares as sets."""
    return frozenset().union(*(_set_names(source.tree) for source in mirrored))


def test_model_code_iterates_over_no_set(
    mirrored: list[Source], set_names: frozenset[str], assert_none: Check
) -> None:
    assert_none(
        source.at(line, what)
        for source in mirrored
        for line, what in _findings(source.tree, set_names)
    )


def test_model_code_sees_no_outer_world(
    mirrored: list[Source], assert_none: Check
) -> None:
    assert_none(
        source.at(found.line, f"imports {found.base}")
        for source in mirrored
        for found in source.imports()
        if found.base.split(".")[0] in OUTER_WORLD and found.where != "typing"
    )


def test_no_module_rebinds_its_globals(
    package: dict[str, Source], assert_none: Check
) -> None:
    assert_none(
        source.at(node.lineno, f"global {', '.join(node.names)}")
        for source in package.values()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Global)
    )


def test_no_module_has_containers_to_fill(
    package: dict[str, Source], assert_none: Check
) -> None:
    assert_none(
        source.at(line, f"{name} is a mutable global")
        for source in package.values()
        for name, line in _empty_globals(source.tree)
        if name not in REGISTRIES
    )


def _empty_globals(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[target], value=value) if _is_empty(value):
                yield ast.unparse(target), node.lineno
            case ast.AnnAssign(target=target, value=value) if _is_empty(value):
                yield ast.unparse(target), node.lineno


def _is_empty(node: ast.expr | None) -> bool:
    match node:
        case ast.List(elts=[]) | ast.Dict(keys=[]):
            return True
        case ast.Call(
            func=ast.Name(id="list" | "dict" | "set" | "deque" | "defaultdict")
        ):
            return True
    return False


@pytest.mark.parametrize(
    "code",
    [
        "for x in {1, 2}: pass",
        "for x in set(xs) - {1}: pass",
        "[x for x in frozenset(xs)]",
        "list({x for x in xs})",
        "f(*{1, 2})",
        "seen: set[int] = make()\nfor x in seen: pass",
        "seen = set(xs)\nlist(task.seen)",
        "id(x)",
        "hash(x)",
    ],
)
def test_bad_habit_is_found(code: str) -> None:
    tree = ast.parse(code)
    assert list(_findings(tree, _set_names(tree)))


@pytest.mark.parametrize(
    "code",
    [
        "for x in sorted({1, 2}): pass",
        "for x in [1, 2]: pass",
        "x in {1, 2}",
        "len(set(xs))",
        "any(x in seen for x in xs)",
        "task.id(x)",
    ],
)
def test_good_habit_is_not(code: str) -> None:
    tree = ast.parse(code)
    assert list(_findings(tree, _set_names(tree))) == []


def test_empty_global_is_found() -> None:
    tree = ast.parse(
        "A = []\nB: dict[int, int] = {}\nC = set()\nD = (1,)\nE = {1: 2}\n"
    )
    assert list(_empty_globals(tree)) == [("A", 1), ("B", 2), ("C", 3)]
