# SPDX-License-Identifier: GPL-2.0-only
"""What ``include/linux`` offers: structures, inline helpers, and primitives.

Everything that one thread can notice of another goes through a primitive of
this package, and each primitive is a step of the engine.
"""
