# SPDX-License-Identifier: GPL-2.0-only
"""Take a log apart into kernel messages, whatever the logger put before each.

The same report reaches people through ``dmesg`` (plain, ``-T``, ``-x``, ``-H``,
``--time-format iso``), through journald in half a dozen output modes, through
syslog files, as raw ``/dev/kmsg`` records, over a serial console, or quoted in
an e-mail. A prefix is peeled off layer by layer; nothing that a kernel message
can begin with looks like one of the layers, least of all a task row, whose
bracket holds no decimal point.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .model import Line

__all__ = ["message", "read_lines"]

_QUOTE = re.compile(r"(?:>[ ]?)+")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_KMSG = re.compile(r"\d{1,3},\d+,\d+,[^;\s]*;")
_LEVEL = re.compile(r"<\d{1,3}>")
_DECODED_LEVEL = re.compile(
    r"(?:kern|user|daemon|syslog)[ ]*:"
    r"(?:emerg|alert|crit|err|warn|notice|info|debug)[ ]*:[ ]?"
)
_STAMP = re.compile(r"\[\s*(?P<seconds>\d+\.\d{1,9})(?:\s*<[^>]*>)?\][ ]?")
_DELTA = re.compile(r"\[\s*\+\d+\.\d+\][ ]?")
_WALL = re.compile(
    r"\[(?:[A-Z][a-z]{2}[ ]+)?[A-Z][a-z]{2}[ ]*\d{1,2}[ ]+\d\d:\d\d(?::\d\d)?"
    r"(?:[.,]\d+)?(?:[ ]+\d{4})?\][ ]?"
)
_CALLER = re.compile(r"\[\s*[TC]\d+\][ ]?")
_TIME = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_DATE = re.compile(
    rf"(?:[A-Z][a-z]{{2}}[ ]{{1,2}}\d{{1,2}}[ ](?:\d{{4}}[ ])?{_TIME}"
    rf"|\[?(?:[A-Z][a-z]{{2}}[ ])?\d{{4}}-\d\d-\d\d[T ]{_TIME}"
    r"(?:[ ]?(?:Z\b|[+-]\d\d:?\d\d|[A-Z]{2,5}\b))?\]?"
    r"|\d{9,11}\.\d{3,6})[ ]"
)
_KERNEL = re.compile(r"(?:[\w.:-]+[ ])?kernel(?:\[\d*\])?:[ ]?")
_OTHER_PROGRAM = re.compile(r"[\w.:-]+[ ][\w./@()-]+\[\d+\]:[ ]")

_LAYERS = (_LEVEL, _DECODED_LEVEL, _DELTA, _WALL, _CALLER, _KMSG)
_MOST_LAYERS = 8


def message(text: str) -> tuple[str, float | None] | None:
    """Peel every prefix off one line of a log.

    Return: the kernel's message and its time stamp in seconds since boot where
        the line has one; None for a line that another program logged.
    """
    text = _ESCAPE.sub("", text).strip("\r\n\0").lstrip()
    quote = _QUOTE.match(text)
    if quote is not None:
        text = text[quote.end() :].lstrip()
    stamp: float | None = None
    for _ in range(_MOST_LAYERS):
        found = _STAMP.match(text)
        if found is not None:
            stamp = float(found["seconds"])
        rest = text[found.end() :] if found is not None else _peel(text)
        if rest is None:
            return None
        if rest == text:
            break
        text = rest.lstrip()
    return text, stamp


def _peel(text: str) -> str | None:
    """Remove one layer that carries no time since boot; None for foreign lines."""
    for layer in _LAYERS:
        found = layer.match(text)
        if found is not None:
            return text[found.end() :]
    date = _DATE.match(text)
    rest = text if date is None else text[date.end() :]
    kernel = _KERNEL.match(rest)
    if kernel is not None:
        return rest[kernel.end() :]
    if date is not None and _OTHER_PROGRAM.match(rest) is not None:
        return None
    return rest


def read_lines(text: str) -> Iterator[Line]:
    """Yield the kernel's messages of a log in order, numbered by line of the log."""
    for number, raw in enumerate(text.lstrip("\ufeff").split("\n"), start=1):
        found = message(raw)
        if found is not None:
            yield Line(number, *found)
