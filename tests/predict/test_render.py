# SPDX-License-Identifier: GPL-2.0-only
"""What users read, compared with stored answers; ``regenerate.py`` writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pykmm.predict import Forecast, predict, render
from pykmm.predict.render import printable, size

Ask = Callable[..., Forecast]
Write = Callable[..., Path]

#: For each answer the machine, the cgroup that runs out, and how to print it.
CASES: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "loaded-all": ("loaded-6.18", None, {"show_all": True}),
    "swapping": ("swapping-7.0", None, {"top": 3}),
    "swapping-build": ("swapping-7.0", "/user.slice/build", {}),
    "swapping-db": ("swapping-7.0", "/system.slice/db", {"show_all": True}),
}


def answer(proc: Path, group: str | None, options: dict[str, Any]) -> str:
    """Predict on a written machine, with its cgroups if it has any."""
    cgroup = proc / "cgroup"
    directory = str(cgroup) if cgroup.exists() else None
    forecast = predict(proc=str(proc), cgroup=directory, memcg=group)
    return render(forecast, **options)


@pytest.mark.parametrize("name", CASES)
def test_answer_is_what_is_stored(name: str, stored: Write, data: Path) -> None:
    machine, group, options = CASES[name]
    path = data / f"{name}.out"
    assert answer(stored(machine), group, options) == path.read_text("utf-8")


def test_every_score_of_the_loaded_kernel_is_the_model_s(stored: Write) -> None:
    forecast = predict(proc=str(stored("loaded-6.18")))
    wrong = [t for t in forecast.tasks if t.score.model != t.score.kernel]
    assert wrong == []
    assert len({t.score.kernel for t in forecast.tasks}) > 8


BASE = "release 7.0.1\nmeminfo 4000000 0\n"
TASK = "task {} 1 S 0x400000 1 {} 0 {} 666 9999 {} 0 0 0 0 {} 0 'x'\n"


def line(text: str, label: str) -> str:
    """Return the first line of an answer that begins with *label*."""
    return next(each for each in text.splitlines() if each.startswith(label))


def test_nobody_left_is_a_panic_or_a_failed_charge(ask: Ask, tree: Write) -> None:
    text = BASE + TASK.format(5, 1, -1000, 400, 100).replace(" 666 ", " 0 ")
    says = "chosen  nobody may be killed: the kernel would"
    assert f"{says} panic\n" in render(ask(text))
    files = {"cgroup.controllers": "memory", "a/memory.max": 4096}
    forecast = ask(text, tree(files), memcg="a")
    assert f"{says} fail the charge\n" in render(forecast)


def test_one_candidate_is_alone(ask: Ask) -> None:
    text = render(ask(BASE + TASK.format(5, 1, 0, 400, 100)))
    assert "        nobody else may be chosen\n" in text


def test_equals_say_who_was_created_later(ask: Ask) -> None:
    text = BASE + "".join(TASK.format(pid, pid, 0, 400, 100) for pid in (5, 6))
    assert "        5 (x) has as many, but stands before it\n" in render(ask(text))


def test_an_adjustment_down_is_subtracted(ask: Ask) -> None:
    text = BASE + TASK.format(5, 1, -5, 400, 100).replace(" 666 ", " 663 ")
    assert line(render(ask(text)), "chosen") == (
        "chosen  5 (x): most points, -4900 = 100 resident + 0 swapped + 0 in page "
        "tables - 5000 for oom_score_adj -5"
    )


def test_what_is_hidden_is_one_line(ask: Ask) -> None:
    text = BASE + TASK.format(5, 1, 0, 400, 100) + "threads 9\nfile 6 'no directory'\n"
    assert line(render(ask(text)), "hidden") == (
        "hidden  1 task unreadable, 8 threads not shown: the kernel may choose among "
        "them, too"
    )


def test_what_differs_is_named(ask: Ask) -> None:
    text = BASE + "".join(
        TASK.format(pid, pid, 0, 400, 100).replace(" 666 ", f" {score} ")
        for pid, score in ((5, 0), (6, 700), (7, 666))
    )
    lines = render(ask(text), top=2).splitlines()
    assert "scores  1 of 3 equal the kernel's oom_score, 2 differ" in lines
    assert (
        "differs 5 (x): the model says 666, the kernel 0, as of a process that was "
        "reaped or borrows memory in vfork()"
    ) in lines
    assert "differs 6 (x): the model says 666, the kernel 700" in lines


def test_many_that_differ_are_counted(ask: Ask) -> None:
    text = BASE + "".join(
        TASK.format(pid, pid, 0, 400, 100).replace(" 666 ", " 700 ")
        for pid in range(5, 20)
    )
    lines = render(ask(text), top=2).splitlines()
    assert [each for each in lines if each.startswith("differs")] == [
        f"differs {pid} (x): the model says 666, the kernel 700" for pid in (5, 6)
    ]
    assert "        and 13 more that differ" in lines
    assert "more that differ" not in render(ask(text), show_all=True)


def test_scores_that_are_not_shown_are_not_counted(write: Write) -> None:
    proc = write(BASE + TASK.format(5, 1, 0, 400, 100))
    (proc / "5/oom_score").unlink()
    lines = render(predict(proc=str(proc))).splitlines()
    assert "scores  0 of 0 equal the kernel's oom_score, 1 not shown" in lines


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a b", "a b"),
        ("a\nb", "a\\nb"),
        ("a\\nb", "a\\\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("größe", "größe"),
        ("cut \udcc3", "cut \\xc3"),
        ("\u202etfel", "\\u202etfel"),
    ],
)
def test_names_cannot_move_the_cursor(raw: str, shown: str) -> None:
    assert printable(raw) == shown


@pytest.mark.parametrize(
    ("kib", "text"),
    [
        (0, "0 KiB"),
        (1023, "1023 KiB"),
        (1024, "1.0 MiB"),
        (1536, "1.5 MiB"),
        (1 << 20, "1.0 GiB"),
        (5 << 30, "5.0 TiB"),
        (5 << 42, "20480.0 TiB"),
    ],
)
def test_sizes_have_few_digits(kib: int, text: str) -> None:
    assert size(kib) == text
