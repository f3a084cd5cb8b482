# SPDX-License-Identifier: GPL-2.0-only
"""``python -m pykmm``, and what the ``pykmm`` script calls.

Everything that can go wrong ends here as one line on standard error and an exit
status; a traceback on the terminal is a bug of pykmm.
"""

from __future__ import annotations

import sys
from importlib import import_module

from .cli.output import complain, give_up, prepare, show
from .cli.parser import parse
from .errors import Nondeterminism, UsageError

__all__ = ["main"]

_USAGE = 2
_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    prepare()
    try:
        return _run(argv)
    except (UsageError, Nondeterminism) as error:
        complain(str(error))
        return _USAGE
    except KeyboardInterrupt:
        complain("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        give_up()
        return _BROKEN_PIPE


def _run(argv: list[str] | None) -> int:
    try:
        args = parse(argv)
    except SystemExit as end:  # argparse has printed the help that was asked for
        return int(end.code or 0)
    if args.version:
        from . import __version__

        show(f"pykmm {__version__}\n")
        return 0
    if not hasattr(args, "module"):
        raise UsageError("no command was given: pykmm -h lists them")
    status: int = import_module(f"pykmm.cli.{args.module}").run(args)
    return status


if __name__ == "__main__":
    sys.exit(main())
