# SPDX-License-Identifier: GPL-2.0-only
"""The command line: arguments in, text or JSON out, and an exit status.

Each subcommand is a module of its own with a ``run(args)`` that returns the exit
status; it is imported when it is called, so that ``list`` does not pay for what
``explore`` needs. No module here decides anything about kernels.
"""
