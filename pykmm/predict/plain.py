# SPDX-License-Identifier: GPL-2.0-only
"""A forecast as plain values that ``json.dumps`` takes: ``pykmm-predict/1``."""

from __future__ import annotations

from .cgroups import Group
from .forecast import Forecast, JudgedTask
from .scores import Agreement

__all__ = ["to_dict"]


def to_dict(forecast: Forecast) -> dict[str, object]:
    """Return everything that is known; sizes say their unit in their name."""
    snapshot = forecast.snapshot
    chosen = forecast.chosen
    return {
        "format": "pykmm-predict/1",
        "kernel": snapshot.release,
        "counting": forecast.counting.name.lower(),
        "page_size": snapshot.page_size,
        "ram_pages": snapshot.ram_pages,
        "swap_pages": snapshot.swap_pages,
        "constraint": forecast.constraint,
        "totalpages": forecast.totalpages,
        "memcg": _group(forecast.memcg),
        "nearest_to_its_limit": _group(forecast.nearest),
        "ended": snapshot.gone,
        "unreadable": snapshot.unreadable,
        "hidden_threads": snapshot.hidden_threads,
        "chosen": None if chosen is None else chosen.pid,
        "killed_with_it": [task.pid for task in forecast.group],
        "reap": _reap(forecast),
        "scores": {
            agreement.value: forecast.count(agreement) for agreement in Agreement
        },
        "notes": list(forecast.notes),
        "tasks": [_task(task) for task in forecast.tasks],
    }


def _group(group: Group | None) -> dict[str, object] | None:
    if group is None:
        return None
    return {
        "path": group.path,
        "limit_bytes": group.limit,
        "usage_bytes": group.usage,
        "oom_group": group.oom_group,
    }


def _reap(forecast: Forecast) -> dict[str, object] | None:
    reap = forecast.reap
    if reap is None:
        return None
    return {
        "source": reap.source,
        "exact": reap.is_exact,
        "anon_kib": reap.anon,
        "anon_alone_kib": reap.alone,
        "private_file_kib": reap.file,
        "swap_kib": reap.swap,
        "kept_kib": reap.kept,
        "pgtables_kib": reap.tables,
    }


def _task(task: JudgedTask) -> dict[str, object]:
    reading, pages = task.reading, task.pages
    return {
        "pid": reading.pid,
        "uid": reading.uid,
        "comm": _text(reading.comm),
        "oom_score_adj": reading.oom_score_adj,
        "rss_pages": pages.rss,
        "swap_pages": pages.swap,
        "pgtables_bytes": pages.tables,
        "candidate": task.is_candidate,
        "points": task.points,
        "reason": task.reason or None,
        "oom_score": task.score.model,
        "kernel_oom_score": task.score.kernel,
        "agreement": task.score.agreement.value,
    }


def _text(name: str) -> str:
    """Replace bytes that are no text, which not every reader of JSON takes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
