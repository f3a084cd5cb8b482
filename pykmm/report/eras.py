# SPDX-License-Identifier: GPL-2.0-only
"""Which rules the kernel of a report selected by.

The formula, the root bonus, the rule for equals and the sacrifice of children
all changed between 2.6.36 and 5.9. A report tells its age twice: by the version
it prints, and by the form of its lines. The form wins where they disagree,
because a distribution that backports the form has backported the code beside
it. Where the form admits several eras and no version is printed, all of them
are tried, and the judge says which one the kernel's choice fits.
"""

from __future__ import annotations

import re
from enum import Enum

from attrs import frozen

from .model import KillLine, OomReport

__all__ = ["ERAS", "Badness", "EraFinding", "EraRules", "Ties", "find_era"]

Version = tuple[int, int, int]

_OLDEST: Version = (2, 6, 36)
_NEWEST: Version = (999, 0, 0)


class Badness(Enum):
    """The formulas that ``oom_badness()`` has had."""

    PERMILLE = "permille of totalpages; root 30 less; at least 1, at most 1000"
    ADJ_BONUS = "pages; root as if its adj were 30 less; at least 1"
    CURRENT_BONUS = "pages; root 3% of its own pages less; at least 1"
    NO_BONUS = "pages; at least 1"
    SIGNED = "pages; may be negative"


class Ties(Enum):
    """What ``oom_evaluate_task()`` and its forerunners did with equal points."""

    FIRST = "the first of equals"
    LAST = "the last of equals"


@frozen
class EraRules:
    """One set of rules, the kernels that had it, and the commits that made it."""

    name: str
    since: Version
    until: Version
    badness: Badness
    ties: Ties
    sacrifices_children: bool
    commits: tuple[str, ...]

    def describe(self) -> str:
        """Say the rules in one line."""
        child = "; a child may die in its place" if self.sacrifices_children else ""
        return f"{self.name}: {self.badness.value}; {self.ties.value} wins{child}"


@frozen
class EraFinding:
    """The rules to judge a report by: the likely ones first."""

    candidates: tuple[EraRules, ...]
    why: str


ERAS: tuple[EraRules, ...] = (
    EraRules(
        name="2.6.36 to 3.4",
        since=(2, 6, 36),
        until=(3, 4, 999),
        badness=Badness.PERMILLE,
        ties=Ties.FIRST,
        sacrifices_children=True,
        commits=(
            "a63d83f427fb oom: badness heuristic rewrite",
            "f19e8aa11afa oom: always return a badness score of non-zero for "
            "eligible tasks",
            "f755a042d82b oom: use pte pages in OOM score",
        ),
    ),
    EraRules(
        name="3.5 to 3.13",
        since=(3, 5, 0),
        until=(3, 13, 999),
        badness=Badness.ADJ_BONUS,
        ties=Ties.FIRST,
        sacrifices_children=True,
        commits=(
            "a7f638f999ff mm, oom: normalize oom scores to oom_score_adj scale "
            "only for userspace",
            "61eafb00d55d mm, oom: fix and cleanup oom score calculations",
        ),
    ),
    EraRules(
        name="3.14 to 4.16",
        since=(3, 14, 0),
        until=(4, 16, 999),
        badness=Badness.CURRENT_BONUS,
        ties=Ties.FIRST,
        sacrifices_children=True,
        commits=(
            "778c14affaf9 mm, oom: base root bonus on current usage",
            "d49ad9355420 mm, oom: prefer thread group leaders for display purposes",
        ),
    ),
    EraRules(
        name="4.17 to 5.0",
        since=(4, 17, 0),
        until=(5, 0, 999),
        badness=Badness.NO_BONUS,
        ties=Ties.FIRST,
        sacrifices_children=True,
        commits=("d46078b28889 mm, oom: remove 3% bonus for CAP_SYS_ADMIN processes",),
    ),
    EraRules(
        name="5.1 to 5.2",
        since=(5, 1, 0),
        until=(5, 2, 999),
        badness=Badness.NO_BONUS,
        ties=Ties.FIRST,
        sacrifices_children=False,
        commits=(
            "bbbe48029720 mm, oom: remove 'prefer children over parent' heuristic",
        ),
    ),
    EraRules(
        name="5.3 to 5.8",
        since=(5, 3, 0),
        until=(5, 8, 999),
        badness=Badness.NO_BONUS,
        ties=Ties.LAST,
        sacrifices_children=False,
        commits=(
            "mm: oom: Remove thread group leader check in oom_evaluate_task(), "
            "<1560853257-14934-1-git-send-email-penguin-kernel@I-love.SAKURA.ne.jp>",
        ),
    ),
    EraRules(
        name="5.9 and later",
        since=(5, 9, 0),
        until=_NEWEST,
        badness=Badness.SIGNED,
        ties=Ties.LAST,
        sacrifices_children=False,
        commits=(
            "9066e5cfb73c mm, oom: make the calculation of oom badness more accurate",
        ),
    ),
)

_VENDOR = re.compile(r"\.el\d|\.amzn|\.an\d|\.oe\d|uek|tlinux|-default$|\.vz\d")
_RELEASE = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?")


def _version(release: str | None) -> Version | None:
    found = _RELEASE.match(release or "")
    if found is None:
        return None
    major, minor, patch = (int(part or 0) for part in found.groups())
    return (major, minor, patch) if (major, minor) == (2, 6) else (major, minor, 0)


def _form(report: OomReport) -> list[tuple[bool, Version, Version]]:
    """List the features of form that tell an age: present, since, until."""
    columns = set(report.columns or ())
    rest = _NEWEST
    pages = "pgtables_bytes" in columns
    kill = report.kills[0] if report.kills else None
    return [
        ("oom_adj" in columns, _OLDEST, (3, 5, 999)),
        ("nr_ptes" in columns, (3, 6, 0), (4, 14, 999)),
        ("nr_ptes" in columns and "nr_pmds" not in columns, _OLDEST, (3, 19, 999)),
        ("nr_pmds" in columns, (4, 0, 0), (4, 14, 999)),
        (pages, (4, 15, 0), rest),
        (pages and "rss_anon" not in columns, _OLDEST, (6, 7, 999)),
        ("rss_anon" in columns, (6, 8, 0), rest),
        (report.tasks_state_line, (4, 19, 0), rest),
        (report.summary is not None, (5, 0, 0), rest),
        (report.score is not None, _OLDEST, (5, 0, 999)),
        (kill is not None and kill.pgtables_kib is not None, (5, 4, 0), rest),
        (_ends_at_shmem(kill), _OLDEST, (5, 3, 999)),
        (report.protection_line, (6, 19, 0), rest),
    ]


def _ends_at_shmem(kill: KillLine | None) -> bool:
    """Tell a kill line of before 5.4 from one that was merely cut off."""
    if kill is None or kill.shmem_rss_kib is None:
        return False
    return kill.pgtables_kib is None


def _by_form(report: OomReport) -> tuple[Version, Version]:
    low, high = _OLDEST, _NEWEST
    for present, since, until in _form(report):
        if present:
            low, high = max(low, since), min(high, until)
    return (low, high) if low <= high else (low, low)


def _overlapping(low: Version, high: Version) -> list[EraRules]:
    return [era for era in ERAS if era.since <= high and low <= era.until]


def find_era(report: OomReport) -> EraFinding:
    """Tell by which rules the kernel of *report* selected.

    Return: one candidate when version and form agree on a plain kernel; several,
        the likeliest first, for a vendor's kernel or without a version.
    """
    low, high = _by_form(report)
    admitted = _overlapping(low, high)
    version = _version(report.kernel)
    if version is None:
        return EraFinding(tuple(reversed(admitted)), "by the form of the report")
    if low <= version <= high:
        own = _overlapping(version, version)
        others = [era for era in admitted if era not in own]
        if _VENDOR.search(report.kernel or "") is None:
            others = []
        return EraFinding((*own, *others), f"by its version, {report.kernel}")
    why = f"by the form of the report, which {report.kernel} must have backported"
    return EraFinding(tuple(_nearest(admitted, version)), why)


def _nearest(eras: list[EraRules], version: Version) -> list[EraRules]:
    newer = eras and eras[0].since > version
    return eras if newer else list(reversed(eras))
