# SPDX-License-Identifier: GPL-2.0-only
"""Where a function comes from, and what runs when it is called.

:func:`mirrors` says which Linux function a Python function follows and how
closely. It also makes the function replaceable: a machine's patches map original
functions to replacements, as kernel livepatching does, so baseline code needs
no test for any variant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, update_wrapper
from importlib import import_module
from inspect import CO_VARARGS
from types import CodeType, FunctionType
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from attrs import frozen

from ..errors import UsageError
from .thread import thread_here

__all__ = [
    "SYMBOLS",
    "Replacements",
    "Symbol",
    "Variant",
    "extern",
    "mirrors",
    "original",
]

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


class Variant(Protocol):
    """A set of replacement functions with a name."""

    @property
    def name(self) -> str:
        """Tell it from others."""
        ...


#: Where an original function keeps what its callers call.
_CALLED = "_called"


class Replacements(dict[object, Callable[..., object]]):
    """What a machine's patches put in the place of original functions."""

    def __setitem__(self, function: object, replacement: Callable[..., object]) -> None:
        called = getattr(function, _CALLED, None)
        if called is not None and called.__code__ is getattr(function, "__code__", 0):
            _divert(called, function)
        super().__setitem__(function, replacement)

    def update(  # type: ignore[override]  # one mapping is all that is ever given
        self, functions: Mapping[object, Callable[..., object]]
    ) -> None:
        """Put all of *functions* there."""
        for function, replacement in functions.items():
            self[function] = replacement


def _dispatching(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return what callers get for *function*: a twin with the same code.

    Most functions are never replaced, so looking whether one is has to cost nothing.
    As the kernel does it, only a function that somebody replaces gets other code.
    """
    closed = bool(function.__code__.co_freevars)
    code = _nothing.__code__ if closed else function.__code__
    twin = FunctionType(code, function.__globals__)
    twin.__defaults__ = function.__defaults__
    twin.__kwdefaults__ = function.__kwdefaults__
    setattr(function, _CALLED, twin)
    if closed:  # a function can only get code with as many free variables
        _divert(twin, function)
    return cast("Callable[_P, _R]", update_wrapper(twin, function))


#: What runs when a function that some machine has replaced is called. It is spelled
#: for each list of parameters, because passing on whatever comes costs a multiple.
_DIVERSION = """
def call({takes}, _here, _function):
    _thread = _here()
    if _thread is not None:
        _patch = _thread.machine.patches.get(_function)
        if _patch is not None:
            return _patch({gives})
    return _function({gives})
"""


def _nothing() -> None:
    """Stand in for code that is about to be put there."""


def _divert(called: FunctionType, function: Any) -> None:
    """Have *called* look at each call whether its machine replaces *function*."""
    code = function.__code__
    plain, only = code.co_argcount, code.co_kwonlyargcount
    names = code.co_varnames[: plain + only]
    takes, gives = [*names[:plain]], [*names[:plain]]
    if code.co_flags & CO_VARARGS:
        takes.append("*" + code.co_varnames[plain + only])
        gives.append(takes[-1])
    else:
        takes.append("*")
    takes += names[plain:]
    gives += [f"{name}={name}" for name in names[plain:]]
    found = {"_here": thread_here, "_function": function}
    called.__kwdefaults__ = {**(called.__kwdefaults__ or {}), **found}
    called.__code__ = _spelled(", ".join(takes), ", ".join(gives))


@cache
def _spelled(takes: str, gives: str) -> CodeType:
    """Return the code that diverts functions with these parameters."""
    made: dict[str, Any] = {}
    source = _DIVERSION.format(takes=takes, gives=gives)
    exec(compile(source, __file__, "exec"), made)
    code: CodeType = made["call"].__code__
    return code


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
