# SPDX-License-Identifier: GPL-2.0-only
"""Comparing with the kernel's scores while they move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pykmm.predict import Agreement, Forecast, predict
from pykmm.predict.source import Folder, Gone

Write = Callable[..., Path]
Ask = Callable[..., Forecast]

#: 1,100,000 pages: up to 1,099 of them score 666, up to 2,199 667, then 668.
HEAD = "release {release}\nmeminfo 4000000 400000\ncpus 4\n"
TASK = (
    "task 5 1 S 0x400000 1 5 0 0 {score} 99999 {anon} 0 0 {swap} 0 {rss} 4096 'x'\n"
    "task 6 1 S 0x400000 1 6 0 0 666 99999 0 0 0 0 0 0 4096 'y'\n"
)


def machine(
    score: int,
    *,
    release: str = "7.0.1",
    pages: int = 2210,
    swap: int = 0,
    rss: int | None = None,
) -> str:
    return HEAD.format(release=release) + TASK.format(
        score=score, anon=pages * 4, swap=swap * 4, rss=pages if rss is None else rss
    )


def of(forecast: Forecast, pid: int = 5) -> tuple[int, int | None, str]:
    score = next(task.score for task in forecast.tasks if task.pid == pid)
    return score.model, score.kernel, score.agreement.value


def test_equal_scores_are_equal(ask: Ask) -> None:
    forecast = ask(machine(668))
    assert of(forecast) == (668, 668, "equal")
    assert forecast.count(Agreement.EQUAL) == 2
    assert forecast.fine


def test_another_score_differs(ask: Ask) -> None:
    forecast = ask(machine(700))
    assert of(forecast) == (668, 700, "differs")
    assert of(forecast, 6) == (666, 666, "equal")
    assert not forecast.fine


def test_a_score_that_is_not_there_is_unknown(write: Write) -> None:
    proc = write(machine(668))
    (proc / "5/oom_score").unlink()
    forecast = predict(proc=str(proc))
    assert of(forecast) == (668, None, "unknown")
    assert forecast.fine


def test_an_older_kernel_reads_what_stat_shows(ask: Ask) -> None:
    # status has 2210 pages, of which 20 are still counted on some CPU.
    assert of(ask(machine(667, release="6.18.44", rss=2190))) == (667, 667, "equal")
    assert of(ask(machine(668, release="7.0.1", rss=2190))) == (668, 668, "equal")


def test_what_cpus_hold_back_explains_a_miss(ask: Ask) -> None:
    found = ask(machine(668, release="6.18.44", rss=2190))
    assert of(found) == (667, 668, "held back")
    assert found.fine
    # Nobody can see what is held back of the swap entries: 32 on each of 4 CPUs.
    text = machine(667, release="6.18.44", pages=1000, swap=1300)
    found = ask(text)
    assert of(found) == (668, 667, "held back")
    # Trying others out has not changed what the choice is made by.
    assert found.chosen is not None
    assert found.chosen.points == 2300
    text = machine(667, release="6.18.44", pages=1000, swap=1400)
    assert of(ask(text)) == (668, 667, "differs")
    assert of(ask(machine(667, pages=1000, swap=1300))) == (668, 667, "differs")


READ = Folder.read


class Story:
    """Answers for ``5/oom_score`` and ``5/status`` by how often they were asked."""

    def __init__(self, scores: Sequence[int], anon: Sequence[int] = ()) -> None:
        self.scores = list(scores)
        self.anon = list(anon)

    def __call__(self, folder: Folder, name: str) -> bytes:
        found = READ(folder, name)
        if not folder.path.endswith("/5"):
            return found
        if name == "oom_score":
            if not self.scores:
                raise Gone
            return b"%d\n" % self.scores.pop(0)
        if name == "status" and self.anon:
            pages = self.anon.pop(0)
            return found.replace(b"8840 kB", b"%d kB" % (pages * 4))
        if not self.scores and name == "stat":
            raise Gone
        return found


@pytest.fixture
def tell(write: Write, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Forecast]:
    """Predict on a machine whose process 5 changes while it is read."""

    def told(scores: Sequence[int], anon: Sequence[int] = ()) -> Forecast:
        proc = write(machine(0))
        story = Story(scores, anon)
        monkeypatch.setattr(Folder, "read", lambda folder, name: story(folder, name))
        return predict(proc=str(proc))

    return told


Tell = Callable[..., Forecast]


def test_either_side_of_a_reading_may_match(tell: Tell) -> None:
    assert of(tell([668, 700])) == (668, 668, "equal")
    assert of(tell([700, 668])) == (668, 668, "equal")


def test_a_second_reading_may_match(tell: Tell) -> None:
    assert of(tell([700, 700, 668, 668])) == (668, 668, "equal")
    # The process has grown to 49,500 pages, or 45 permille, and the model with it.
    assert of(tell([700, 700, 696, 696], [2210, 49_500])) == (696, 696, "equal")


def test_a_score_that_moves_is_no_miss(tell: Tell) -> None:
    assert of(tell([700, 710, 720, 730]))[2] == "moved"
    assert of(tell([700, 700, 720, 730]))[2] == "moved"
    assert of(tell([700, 710, 730, 730]))[2] == "moved"


def test_two_steady_readings_that_miss_differ(tell: Tell) -> None:
    assert of(tell([700, 700, 701, 701])) == (668, 700, "differs")


def test_who_ends_before_the_second_reading_has_moved(tell: Tell) -> None:
    assert of(tell([700, 700])) == (668, 700, "moved")
