# SPDX-License-Identifier: GPL-2.0-only
"""Where a function comes from, and what runs when it is called.

:func:`mirrors` says which Linux function a Python function follows and how
closely. It also makes the function replaceable: a machine's patches map original
functions to replacements, as kernel livepatching does, so baseline code needs
no test for any variant.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, update_wrapper
from importlib import import_module
from inspect import CO_VARARGS
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


#: What runs when a function that a patch can replace is called. It is spelled for
#: each list of parameters, because passing on whatever comes costs a multiple.
_DISPATCH = """
def dispatching(_ambient, _function):
    def call({takes}):
        _thread = _ambient.thread
        if _thread is not None and _thread.machine.patches:
            _patch = _thread.machine.patches.get(_function)
            if _patch is not None:
                return _patch({gives})
        return _function({gives})
    return call
"""


def _dispatching(function: Callable[_P, _R]) -> Callable[_P, _R]:
    code = function.__code__
    plain, only = code.co_argcount, code.co_kwonlyargcount
    names = code.co_varnames[: plain + only]
    takes, gives = [*names[:plain]], [*names[:plain]]
    if code.co_flags & CO_VARARGS:
        takes.append("*" + code.co_varnames[plain + only])
        gives.append(takes[-1])
    elif only:
        takes.append("*")
    takes += names[plain:]
    gives += [f"{name}={name}" for name in names[plain:]]
    call = _spelled(", ".join(takes), ", ".join(gives))(ambient, function)
    call.__defaults__ = function.__defaults__
    call.__kwdefaults__ = function.__kwdefaults__
    return cast("Callable[_P, _R]", update_wrapper(call, function))


@cache
def _spelled(takes: str, gives: str) -> Any:
    """Return what makes dispatching functions with these parameters."""
    made: dict[str, Any] = {}
    source = _DISPATCH.format(takes=takes, gives=gives)
    exec(compile(source, __file__, "exec"), made)
    return made["dispatching"]


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
