# SPDX-License-Identifier: GPL-2.0-only
"""Values as text that is the same in every run.

``repr()`` of an arbitrary object may hold an address, and that of a set follows
the hash seed; neither may get into a trace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from enum import Enum

__all__ = ["text_of"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_DEPTH_AT_MOST = 4


def text_of(value: object, depth: int = 0) -> str:
    """Spell *value* in one line, without addresses; None is the empty text."""
    if value is None:
        return "" if depth == 0 else "None"
    if isinstance(value, str):
        return _plain(value) if depth == 0 else repr(value)
    if isinstance(value, Enum):
        return value.name or str(value.value)
    if depth < _DEPTH_AT_MOST and (text := _container(value, depth + 1)) is not None:
        return text
    if isinstance(value, Callable):  # type: ignore[arg-type]  # an ABC is fine here
        return getattr(value, "__qualname__", type(value).__name__)
    return _plain(_ADDRESS.sub("", repr(value)))


def _container(value: object, depth: int) -> str | None:
    if isinstance(value, Set):
        return "{" + ", ".join(sorted(text_of(item, depth) for item in value)) + "}"
    if isinstance(value, Mapping):
        items = (f"{text_of(k, depth)}: {text_of(v, depth)}" for k, v in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(text_of(item, depth) for item in value) + "]"
    if type(value) is tuple:
        return "(" + ", ".join(text_of(item, depth) for item in value) + ")"
    return None


def _plain(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]
