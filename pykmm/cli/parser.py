# SPDX-License-Identifier: GPL-2.0-only
"""What can be said on the command line.

Only argparse is imported here. Mistakes become a :class:`UsageError`, as they do
everywhere else in the library; who prints it is :mod:`pykmm.__main__`.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import Final, NoReturn

from ..errors import UsageError, choices
from .names import unknown

__all__ = ["COMMANDS", "parse"]

_FORMATS = (
    "columns",
    "full",
    "json",
    "svg",
    "perfetto",
    "ftrace",
    "dmesg",
    "dot",
    "mermaid",
)
_EPILOG = "exit status: 0 fine, 1 found something, 2 a mistake in the call"


class _Parser(argparse.ArgumentParser):
    """An argparse parser that raises instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        raise _mistake(self.prog.removeprefix("pykmm").strip(), message)


def _mistake(command: str, message: str) -> UsageError:
    words = f"{command} -h" if command else "-h"
    name = f"{command}: " if command else ""
    return UsageError(f"{name}{message} (pykmm {words} explains)")


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse *argv*; ``module`` in the answer names the module that runs it."""
    words = sys.argv[1:] if argv is None else argv
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        raise unknown("command", words[0], COMMANDS)
    args, rest = _parser().parse_known_args(words)
    if rest:
        command = words[0] if words[0] in COMMANDS else ""
        guess = _near(rest[0], command)
        raise _mistake(command, f"unrecognized arguments: {' '.join(rest)}{guess}")
    return args


def _near(word: str, command: str) -> str:
    """Ask whether the option of *command* that is closest to *word* was meant."""
    parser = _Parser()
    parser.add_argument("--json" if command else "--version")
    if command:
        COMMANDS[command][1](parser)
    options = re.findall(r"--([a-z-]+)", parser.format_usage())
    name = word.partition("=")[0].lstrip("-")
    begun = [option for option in options if name and option.startswith(name)]
    close = begun or get_close_matches(name, options, n=1)
    return f": did you mean --{close[0]}?" if close else ""


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="pykmm",
        description="Explore what the Linux OOM code can do when threads race.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=_Parser)
    for name, (what, add_arguments) in COMMANDS.items():
        add_arguments(_command(commands, name, what))
    return parser


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, what: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.set_defaults(module=name)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _list(parser: argparse.ArgumentParser) -> None:
    """Add nothing: ``list`` takes no arguments of its own."""


def _explore(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", help="a name that `list` prints")
    add("--design", metavar="D", help="run this design; `list` names them")
    add("--bug", metavar="B", help="put this bug into the kernel; `list` names them")
    add("--scheduler", metavar="S", default="dpor", help="how to explore (dpor)")
    add("--bound", metavar="N", type=_count, help="at most N preemptions")
    add("--depth", metavar="N", type=_positive, help="orderings a bug needs: pct (3)")
    add("--executions", metavar="N", type=_positive, help="stop after N executions")
    add("--seconds", metavar="S", type=_seconds, help="stop after S seconds")
    add("--jobs", metavar="N", type=_positive, default=1, help="in N processes (1)")
    add("--carrier", metavar="C", default="threads", help="threads, or greenlets")
    add("--save", metavar="FILE", help="write down what is left to explore")
    add("--continue", metavar="FILE", dest="resume", help="go on with what is left")
    add("--seed", metavar="N", type=_whole, help="what samplers begin with (0)")
    add("--ktap", action="store_true", help="print KTAP, as the kernel's tests do")
    _detectors(parser)


def _compare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", nargs="?", help="S0 to S14, as `list` says")
    add("--all", action="store_true", help="all of them")
    add("--designs", metavar="NAMES", type=_names, help="these only, as in A,B,C")
    add("--why", metavar="D,WORD", help="draw how design D comes to WORD")
    add("--check", action="store_true", help="replay the witness of every entry, too")
    add(
        "--executions",
        metavar="N",
        type=_positive,
        default=600,
        help="at most N for a design in a scenario, then samples (600)",
    )
    add("--jobs", metavar="N", type=_positive, default=1, help="in N processes (1)")
    add("--markdown", action="store_true", help="print Markdown tables")
    add("--walks", action="store_true", help="race the reap pass, both ways, instead")
    add(
        "--draw",
        choices=("columns", "bar", "svg"),
        help="how --why and --walks draw (columns, for --walks bar)",
    )


def _replay(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", help="a name that `list` prints")
    add("schedule", metavar="SCHEDULE", help="who takes each step, as in 'v m v*2'")
    add("--design", metavar="D", help="run this design; `list` names them")
    add("--bug", metavar="B", help="put this bug into the kernel; `list` names them")
    add(
        "--trace",
        metavar="FORMAT",
        type=_trace_format,
        default="columns",
        help="columns folds steps into rows (the default), full shows each step, "
        "json prints JSON, svg a timeline, perfetto trace-event JSON, ftrace the text "
        "of tracefs, dmesg the kernel log, dot and mermaid the lock order",
    )
    add(
        "--watch", metavar="NAME", action="append", help="show the value of this object"
    )
    _detectors(parser)


def _quiz(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", help="a name that `list` prints")
    add("schedule", metavar="SCHEDULE", nargs="?", help="which execution to ask about")
    add("--number", metavar="N", type=_positive, help="which ending (1)")
    add("--design", metavar="D", help="run this design; `list` names them")
    add("--bug", metavar="B", help="put this bug into the kernel; `list` names them")


def _detectors(parser: argparse.ArgumentParser) -> None:
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--detect",
        metavar="NAMES",
        type=_names,
        dest="detectors",
        help="watch with these detectors only, as in kcsan,lockdep; `list` names them",
    )
    either.add_argument(
        "--no-detect",
        action="store_const",
        const=(),
        dest="detectors",
        help="watch with no detector",
    )


def _report(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("files", metavar="FILE", nargs="+", help="a kernel log; - is standard input")
    add("--all", action="store_true", help="show every task, not only the top ones")


def _predict(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--proc", metavar="DIR", help="a copy of a machine's /proc, instead of this")
    add("--cgroup", metavar="DIR", help="a copy of its cgroup hierarchy")
    add("--memcg", metavar="PATH", help="let this memory cgroup run out")
    add("--top", metavar="N", type=_positive, help="how many tasks (10)")
    add("--all", action="store_true", help="show every task, and why it is spared")


def _oracle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", metavar="NAME", help="print a decision table")


#: The commands by name: what each does, and what adds its arguments.
COMMANDS: Final[dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]] = {
    "list": ("name everything that can be explored", _list),
    "explore": ("find all outcomes of a scenario", _explore),
    "compare": ("set designs of kill-and-release against their outcomes", _compare),
    "replay": ("run one schedule and draw it", _replay),
    "quiz": ("draw an execution without its values, to be filled in", _quiz),
    "report": ("judge the OOM reports of a kernel log", _report),
    "oracle": ("answer worlds, one JSON line for each on standard input", _oracle),
    "predict": ("say whom this machine's OOM killer would choose now", _predict),
}


# -- values -------------------------------------------------------------------------


def _trace_format(text: str) -> str:
    if text not in _FORMATS:
        raise argparse.ArgumentTypeError(f"{text!r} must be {choices(_FORMATS)}")
    return text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(
            f"{text!r} has an empty name in it: write names with a comma in between"
        )
    return names


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number: write one such as 3"
        ) from None


def _count(text: str) -> int:
    value = _whole(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is below 0: write 0 or more")
    return value


def _positive(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is below 1: write 1 or more")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds above 0: write one such as 2.5"
        )
    return value
