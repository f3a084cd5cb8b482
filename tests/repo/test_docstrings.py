# SPDX-License-Identifier: GPL-2.0-only
"""Every module and every public name says what it is for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.repo.conftest import Check, Source

_Def = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _all_of(source: Source) -> list[str] | None:
    for node in source.tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return list(ast.literal_eval(value))
    return None


def _bound(source: Source) -> dict[str, int]:
    """Return the names that the module's top level binds, in order, with lines."""
    names = {found.name: found.line for found in source.imports()}
    for node in _statements(source.tree.body):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.setdefault(node.name, node.lineno)
            case ast.Assign():
                for target in node.targets:
                    for name in ast.walk(target):
                        if isinstance(name, ast.Name):
                            names.setdefault(name.id, node.lineno)
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.setdefault(name, node.lineno)
    return names


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _statements([*node.body, *node.orelse])


def _isort_key(name: str) -> tuple[int, str]:
    """Sort constants first, then classes, then the rest, as linters do."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def _needs_none(node: _Def) -> bool:
    """Overloads and setters are documented where the name is first defined."""
    words = [ast.unparse(decorator) for decorator in node.decorator_list]
    return any(w == "overload" or w.endswith((".setter", ".deleter")) for w in words)


def _documented_methods(package: dict[str, Source]) -> dict[str, set[str]]:
    """Return, for each class name of the package, its documented methods."""
    found: dict[str, set[str]] = {}
    for source in package.values():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(
                    method.name
                    for method in node.body
                    if isinstance(method, _Def) and ast.get_docstring(method)
                )
    return found


def _bases(package: dict[str, Source]) -> dict[str, set[str]]:
    """Return, for each class name of the package, the names of all its bases."""
    direct: dict[str, set[str]] = {}
    for source in package.values():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                words = [
                    ast.unparse(b).split("[")[0].split(".")[-1] for b in node.bases
                ]
                direct.setdefault(node.name, set()).update(words)
    changed = True
    while changed:
        changed = False
        for bases in direct.values():
            more = set().union(*(direct.get(base, set()) for base in bases)) - bases
            bases |= more
            changed = changed or bool(more)
    return direct


def _undocumented(
    source: Source, documented: dict[str, set[str]], bases: dict[str, set[str]]
) -> Iterator[str]:
    exported = _all_of(source)
    for node in _statements(source.tree.body):
        if not isinstance(node, _Def) or _needs_none(node):
            continue
        if not (_is_public(node.name) if exported is None else node.name in exported):
            continue
        if ast.get_docstring(node) is None:
            yield source.at(node.lineno, node.name)
        if isinstance(node, ast.ClassDef):
            inherited = set().union(
                *(documented.get(base, set()) for base in bases[node.name])
            )
            for method in node.body:
                if (
                    isinstance(method, _Def)
                    and _is_public(method.name)
                    and method.name not in inherited
                    and not _needs_none(method)
                    and ast.get_docstring(method) is None
                ):
                    yield source.at(method.lineno, f"{node.name}.{method.name}")


def test_every_module_has_a_docstring(
    package: dict[str, Source], assert_none: Check
) -> None:
    assert_none(s.path for s in package.values() if ast.get_docstring(s.tree) is None)


def test_every_public_name_has_a_docstring(
    package: dict[str, Source], assert_none: Check
) -> None:
    documented, bases = _documented_methods(package), _bases(package)
    assert_none(
        finding
        for source in package.values()
        for finding in _undocumented(source, documented, bases)
    )


def test_all_names_what_is_there_and_once(
    package: dict[str, Source], assert_none: Check
) -> None:
    wrong = []
    for source in package.values():
        names = _all_of(source) or []
        absent = [name for name in names if name not in _bound(source)]
        twice = [name for name in names if names.count(name) > 1]
        wrong += [f"{source.path}: {name}" for name in absent + twice]
    assert_none(wrong)


def test_all_is_sorted_or_in_the_order_of_the_file(
    package: dict[str, Source], assert_none: Check
) -> None:
    wrong = []
    for source in package.values():
        names, bound = _all_of(source) or [], _bound(source)
        if names not in (
            sorted(names),
            sorted(names, key=_isort_key),
            sorted(names, key=lambda name: bound.get(name, 0)),
        ):
            wrong.append(source.path)
    assert_none(wrong)
