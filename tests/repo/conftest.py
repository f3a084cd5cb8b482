# SPDX-License-Identifier: GPL-2.0-only
"""The package's own source, parsed once, for the tests of the repository's laws."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[2]

Check = Callable[[Iterable[str]], None]


@frozen
class Import:
    """One name of one import statement.

    *where* is ``module`` if it runs on import, ``function`` if later, and
    ``typing`` if only type checkers see it.
    """

    base: str
    name: str
    line: int
    where: str


@frozen(eq=False)
class Source:
    """A module of the package, as text and as a tree."""

    path: str
    module: str
    text: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Whether this is a package's ``__init__``."""
        return self.path.endswith("__init__.py")

    @property
    def unit(self) -> str:
        """What the layer table lists: the first part of the path below pykmm."""
        return Path(self.path).parts[1].removesuffix(".py")

    def at(self, line: int, what: str) -> str:
        """Word a finding, as compilers do."""
        return f"{self.path}:{line}: {what}"

    def imports(self) -> Iterator[Import]:
        """Yield all imports, relative ones resolved."""
        for node in self.tree.body:
            yield from self._imports(node, "module")

    def _imports(self, node: ast.AST, where: str) -> Iterator[Import]:
        match node:
            case ast.Import():
                for alias in node.names:
                    yield Import(alias.name, "", node.lineno, where)
            case ast.ImportFrom():
                base = self._resolve(node)
                for alias in node.names:
                    yield Import(base, alias.name, node.lineno, where)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                for branch, seen in ((node.body, "typing"), (node.orelse, where)):
                    for statement in branch:
                        yield from self._imports(statement, seen)
            case _:
                deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                for child in ast.iter_child_nodes(node):
                    yield from self._imports(child, "function" if deferred else where)

    def _resolve(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.module.split(".")
        up = node.level - self.is_package
        here = parts[: len(parts) - up]
        return ".".join([*here, node.module] if node.module else here)


def _parse(path: Path) -> Source:
    relative = path.relative_to(ROOT)
    parts = relative.with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    text = path.read_text(encoding="utf-8")
    return Source(relative.as_posix(), module, text, ast.parse(text, str(relative)))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's top directory."""
    return ROOT


@pytest.fixture(scope="session")
def package() -> dict[str, Source]:
    """All modules of pykmm by dotted name, in order of their paths."""
    found = [_parse(path) for path in sorted((ROOT / "pykmm").rglob("*.py"))]
    return {source.module: source for source in found}


@pytest.fixture(scope="session")
def mirrored(package: dict[str, Source]) -> list[Source]:
    """The modules that follow Linux: what is here runs in the modelled kernel."""
    units = ("linux", "lib", "mm", "kernel", "fs", "drivers")
    return [source for source in package.values() if source.unit in units]


@pytest.fixture(scope="session")
def assert_none() -> Check:
    """Fail with all findings, one a line, as a compiler would list them."""

    def check(findings: Iterable[str]) -> None:
        found = list(dict.fromkeys(findings))
        if found:
            pytest.fail("\n".join(found), pytrace=False)

    return check
