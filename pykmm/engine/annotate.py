# SPDX-License-Identifier: GPL-2.0-only
"""Where a function comes from, and what runs when it is called.

:func:`mirrors` says which Linux function a Python function follows and how
closely. It also makes the function replaceable: a machine's patches map original
functions to replacements, as kernel livepatching does, so baseline code needs
no test for any variant.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from importlib import import_module
from typing import Any, ParamSpec, TypeVar, cast

from attrs import frozen

from ..errors import UsageError
from .thread import ambient

__all__ = ["SYMBOLS", "Symbol", "extern", "mirrors", "original"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


@frozen
class Symbol:
    """The provenance of one mirrored function."""

    function: str
    module: str
    path: str
    checked: str
    #: ``faithful``, ``abridged`` or ``stub``; the last two carry a reason.
    grade: str
    reason: str
    #: Whether a patch can replace it; the hottest primitives cannot.
    patchable: bool


#: Every mirrored function by module and name; filled at import, then constant.
SYMBOLS: dict[tuple[str, str], Symbol] = {}


def mirrors(
    path: str,
    *,
    checked: str,
    abridged: str | None = None,
    stub: str | None = None,
    inline: bool = False,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Declare that a function follows the one of its name in *path*.

    *checked* is the version that a person last compared. *abridged* and *stub*
    say what is left out, and why that is right. *inline* spares the dispatch.
    """
    if abridged == "" or stub == "" or (abridged and stub):
        raise UsageError(
            "mirrors(): abridged or stub takes a reason, and only one of them"
        )
    grade = "abridged" if abridged else "stub" if stub else "faithful"
    reason = abridged or stub or ""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        name = function.__name__
        symbol = Symbol(
            name, function.__module__, path, checked, grade, reason, not inline
        )
        SYMBOLS[function.__module__, name] = symbol
        why = f": {reason}" if reason else ""
        line = f"Mirrors {name}() in Linux {checked} {path} ({grade}{why})."
        function.__doc__ = f"{(function.__doc__ or '').rstrip()}\n\n    {line}\n"
        return function if inline else _dispatching(function)

    return decorate


def _dispatching(function: Callable[_P, _R]) -> Callable[_P, _R]:
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        thread = ambient.thread
        if thread is not None and thread.machine.patches:
            replacement = thread.machine.patches.get(function)
            if replacement is not None:
                return cast("_R", replacement(*args, **kwargs))
        return function(*args, **kwargs)

    return update_wrapper(call, function)


def original(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return the function behind a dispatching one; what patches are keyed by."""
    return cast("Callable[_P, _R]", getattr(function, "__wrapped__", function))


def extern(module: str, name: str) -> Callable[..., Any]:
    """Declare a function that a header calls but a file above it defines.

    It is looked up by name at the first call, as a linker would: headers must not
    import the files that implement them.
    """
    found: list[Callable[..., Any]] = []

    def call(*args: Any) -> Any:  # typed by the header that declares it
        if not found:
            found.append(getattr(import_module(module), name))
        return found[0](*args)

    call.__name__ = name
    return call
