# SPDX-License-Identifier: GPL-2.0-only
"""A strict reader of KTAP, written from its description and from nothing else."""

from __future__ import annotations

import re

from attrs import define, field

__all__ = ["Found", "parse"]

_VERSION = "KTAP version 1"
_PLAN = re.compile(r"1\.\.(\d+)")
_RESULT = re.compile(r"(ok|not ok) (\d+)(?: ([^#]*?))?(?: # ?(.*))?")
_DIRECTIVES = ("SKIP", "TODO", "XFAIL", "TIMEOUT", "ERROR")


@define
class Found:
    """A test, as the text tells it."""

    name: str
    ok: bool
    directive: str = ""
    data: str = ""
    told: list[str] = field(factory=list)
    parts: list[Found] = field(factory=list)

    def part(self, name: str) -> Found:
        """Return the one subtest of that name."""
        (found,) = [part for part in self.parts if part.name == name]
        return found


def parse(text: str) -> list[Found]:
    """Return the tests of *text*; ValueError says what is wrong with it."""
    lines = text.split("\n")
    if lines.pop() != "":
        raise ValueError("the last line does not end")
    found, rest = _block(lines, 0)
    if rest:
        raise ValueError(f"behind the last test: {rest[0]!r}")
    return found


def _block(lines: list[str], depth: int) -> tuple[list[Found], list[str]]:
    """Read a version, a plan, and as many tests as that says."""
    indent = "  " * depth
    version, plan, *_ = (*lines, "", "")
    if version != indent + _VERSION:
        raise ValueError(f"no version: {version!r}")
    many = _PLAN.fullmatch(plan.removeprefix(indent))
    if not plan.startswith(indent) or many is None:
        raise ValueError(f"no plan: {plan!r}")
    found, lines = [], lines[2:]
    for number in range(1, int(many[1]) + 1):
        test, lines = _test(lines, depth, number)
        found.append(test)
    return found, lines


def _test(lines: list[str], depth: int, number: int) -> tuple[Found, list[str]]:
    indent = "  " * depth
    parts: list[Found] = []
    told: list[str] = []
    if lines and lines[0] == f"{indent}  {_VERSION}":
        parts, lines = _block(lines, depth + 1)
    while lines and re.match(rf"{indent}#( |$)", lines[0]):
        told.append(lines.pop(0)[len(indent) + 2 :])
    if not lines or not lines[0].startswith(indent):
        raise ValueError(f"no result of test {number}: {lines[:1]}")
    line = lines.pop(0)
    result = _RESULT.fullmatch(line[len(indent) :])
    if result is None or int(result[2]) != number:
        raise ValueError(f"no result of test {number}: {line!r}")
    word, _, data = (result[4] or "").partition(" ")
    directive = word if word in _DIRECTIVES else ""
    test = Found(
        result[3] or "",
        result[1] == "ok",
        directive,
        data if directive else result[4] or "",
        told,
        parts,
    )
    if test.ok and not all(part.ok for part in parts):
        raise ValueError(f"{test.name} passed, and one of its subtests did not")
    if directive in ("TIMEOUT", "ERROR") and test.ok:
        raise ValueError(f"{test.name} passed with {directive}")
    return test, lines
