"""Tables in terminals of any width: every number is there, none is broken."""

import io
import re

import pytest
from rich.console import Console

from experiments.tables import NumberTable


def printed(table, width, encoding=None):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding) if encoding else io.StringIO()
    Console(file=file, width=width).print(table)
    return file.getvalue() if encoding is None else (file.flush(), raw.getvalue())[1]


def words(text):
    return re.split(r"[\s│┃|]+", text)


def wide_table(labels=1, figures=6):
    table = NumberTable("the [bold]title[/]", "the caption of it", labels=labels)
    for i in range(labels):
        table.add_column(f"follower_learning_{i}", justify="left")
    for i in range(figures):
        table.add_column(f"bandwidth in use {i}")
    for row in range(3):
        names = [f"label{row}{i}" for i in range(labels)]
        table.add_row(*names, *(f"{row}.12345{i}\n0.{row}{i}000…0.{row}{i}999" for i in range(figures)))
        if row == 1:
            table.add_section()
    return table


@pytest.mark.parametrize("width", [24, 30, 40, 50, 60, 80, 120, 300])
@pytest.mark.parametrize("labels", [1, 3])
def test_no_word_and_no_number_is_lost_or_broken(width, labels):
    text = printed(wide_table(labels), width)
    assert max(map(len, text.splitlines())) <= width
    found = set(words(text))
    numbers = {f"{row}.12345{i}" for row in range(3) for i in range(6)}
    numbers |= {f"0.{row}{i}000…0.{row}{i}999" for row in range(3) for i in range(6)}
    assert numbers <= found
    assert {"bandwidth", "title", "caption"} <= found
    assert {f"label{row}{i}" for row in range(3) for i in range(labels)} <= found or width < 30
    assert "…\n" not in text


def test_what_fits_is_one_table_and_what_does_not_has_its_labels_again():
    assert printed(wide_table(), 300).count("label00") == 1
    assert printed(wide_table(), 80).count("label00") == 2
    assert printed(wide_table(), 40).count("label00") == 6


def test_long_labels_are_folded_rather_than_numbers():
    table = NumberTable("")
    table.add_column("", justify="left")
    table.add_column("regret")
    table.add_row("runs/a_folder_of_a_very_long_name/seed0", "123.456789%")
    text = printed(table, 30)
    assert "123.456789%" in text
    letters = "".join(line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│"))
    assert "runs/a_folder_of_a_very_long_name/seed0" in letters


def test_a_label_that_is_wrapped_keeps_its_indent_and_its_markup():
    table = NumberTable("")
    table.add_column("", justify="left")
    table.add_column("MU utility")
    table.add_row("utility", "1.0")
    table.add_row("  mean of the [bold]benchmarks[/]", "-0.123456\n-0.2…-0.1")
    lines = [line for line in printed(table, 30).splitlines() if line.startswith("│")]
    assert [line[:16].rstrip(" │") for line in lines] == ["│utility", "│  mean of the", "│  benchmarks"]
    assert "│   mean of the benchmarks │" in printed(table, 60)
    assert all("benchmarks" in printed(table, width) for width in range(28, 60))  # never broken


def test_a_table_without_rows_or_without_figures_is_printed():
    table = NumberTable("title")
    table.add_column("label", justify="left")
    assert "label" in printed(table, 40)
    table.add_row("only")
    assert "only" in printed(table, 40)
