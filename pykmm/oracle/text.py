# SPDX-License-Identifier: GPL-2.0-only
"""Between a line and JSON values, accepting less than :mod:`json` does.

What :mod:`json` lets pass silently is a mistake here: a key that stands twice, of
which one value would be ignored, and numbers that are none.
"""

from __future__ import annotations

import json
from typing import Final, NoReturn

from .refusal import Refused, pointer

__all__ = ["read_line", "spell"]

#: Spells a value in ASCII; an answer has no circles to look for.
spell: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class _Twice(dict[str, object]):
    """An object with a key that stands twice in it."""

    key = ""


class _NotANumber(ValueError):
    """Python's JSON knows numbers that JSON does not."""


def read_line(line: str | bytes) -> object:
    """Return the value that *line* spells; its end of line is no part of it.

    A :class:`Refused` says what is wrong with it.
    """
    text = (_decode(line) if isinstance(line, bytes) else line).strip(" \t\r\n")
    if not text:
        raise Refused("", "the line is empty: write a world as one JSON object")
    doubled: list[_Twice] = []
    value = _parse(text, doubled)
    if doubled:
        raise Refused(*_first_twice(value))
    return value


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(
            "", f"the line is no UTF-8: {error.reason} at byte {error.start}"
        ) from None


def _parse(text: str, doubled: list[_Twice]) -> object:
    def make(pairs: list[tuple[str, object]]) -> dict[str, object]:
        made = dict(pairs)
        if len(made) == len(pairs):
            return made
        seen: set[str] = set()
        twice = _Twice(made)
        twice.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add() is asked for its effect
        doubled.append(twice)
        return twice

    try:
        value: object = json.loads(text, object_pairs_hook=make, parse_constant=_no)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise Refused("", f"this is no JSON: {what} at column {error.colno}") from None
    except _NotANumber as error:
        raise Refused("", f"this is no JSON: {error} is no number") from None
    except ValueError:  # more digits than Python converts
        raise Refused("", "a number has too many digits") from None
    except RecursionError:
        raise Refused("", "this is nested too deeply to be a world") from None
    return value


def _no(constant: str) -> NoReturn:
    raise _NotANumber(constant)


def _first_twice(value: object) -> tuple[str, str]:
    """Find the first doubled key: a pointer to it, and what to say."""
    todo: list[tuple[str, object]] = [("", value)]
    while todo:
        where, found = todo.pop()
        if isinstance(found, _Twice):
            key = found.key
            return pointer(where, key), f"the key {key!r} stands twice in this object"
        if isinstance(found, dict):
            inner = [(pointer(where, key), part) for key, part in found.items()]
        elif isinstance(found, list):
            inner = [(pointer(where, i), part) for i, part in enumerate(found)]
        else:
            continue
        todo.extend(reversed(inner))
    return "", "a key stands twice in an object"
