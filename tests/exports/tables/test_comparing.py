"""What became of each record: whatever the order, the parts and the columns of two exports."""

from __future__ import annotations

import csv
import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.exports.looks import look_at
from appliance.exports.tables import comparing
from appliance.exports.tables.comparing import differences
from appliance.exports.tables.delimited import Delimited
from appliance.exports.tables.table import Table

HEADER = ["Id", "Name", "Phone"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def table(folder, name, *parts, header=HEADER, ids=("Id",), ignored=()):
    """A table of so many files, each a list of rows; below another header where one is a pair."""
    found = {}
    for number, part in enumerate(parts):
        columns, rows = part if isinstance(part, tuple) else (header, part)
        text = io.StringIO(newline="")
        csv.writer(text).writerows([columns, *rows])
        file = folder / f"{name}-{number}.csv"
        file.write_text(text.getvalue(), newline="")
        found[file.name] = Delimited(file, look_at(file))
    return Table("contacts", found, "", ids, frozenset(ignored))


def told(before, after, folder, rows=10):
    """What came, went and changed, by id."""
    came, went, changed = [], [], {}
    for one in differences(before, after, rows, folder):
        if one.before is None:
            came.append(one.after["Name"])
        elif one.after is None:
            went.append(one.before["Name"])
        else:
            changed[one.key] = one.fields(after.ignored)
    return sorted(came), sorted(went), changed


OLD = [["1", "Ann", "030"], ["2", "Bob", ""], ["3", "Cy", "040"]]


def test_who_came_who_went_and_what_changed(folder):
    new = [["4", "Di", ""], ["3", "Cy", "041"], ["1", "Ann", "030"]]
    before, after = table(folder, "old", OLD), table(folder, "new", new)
    assert told(before, after, folder) == (["Di"], ["Bob"], {("3",): {"Phone": ("040", "041")}})


def test_order_parts_and_line_ends_never_matter(folder):
    before = table(folder, "old", OLD)
    after = table(folder, "new", OLD[2:], OLD[:2][::-1])
    for part in folder.glob("new-*"):
        part.write_bytes(part.read_bytes().replace(b"\r\n", b"\n").rstrip(b"\n"))
    assert told(before, after, folder) == ([], [], {})


def test_a_column_more_touches_no_row(folder):
    more = (["Phone", "Id", "New", "Name"], [[row[2], row[0], "x", row[1]] for row in OLD])
    assert told(table(folder, "old", OLD), table(folder, "new", more), folder) == ([], [], {})


def test_what_changes_by_itself_is_no_change(folder):
    new = [[*row[:2], "other"] for row in OLD]
    before, after = table(folder, "old", OLD), table(folder, "new", new, ignored=["Phone"])
    assert told(before, after, folder) == ([], [], {})


def test_without_an_id_whole_rows_are_compared(folder):
    new = [*OLD[:2], ["3", "Cy", "041"], OLD[0]]
    before, after = table(folder, "old", OLD, ids=()), table(folder, "new", new, ids=())
    assert told(before, after, folder) == (["Ann", "Cy"], ["Cy"], {})


def test_ids_that_repeat_pair_what_is_the_same(folder):
    before = table(folder, "old", [["1", "a", ""], ["1", "b", ""], ["1", "c", ""]])
    after = table(folder, "new", [["1", "c", ""], ["1", "x", ""], ["1", "a", ""], ["1", "y", ""]])
    came, went, changed = told(before, after, folder)
    assert (came, went, changed) == (["y"], [], {("1",): {"Name": ("b", "x")}})


def test_a_million_rows_of_one_id_end(folder):
    before = table(folder, "old", [["1", str(n), ""] for n in range(20_000)])
    after = table(folder, "new", [["1", str(n), "x"] for n in range(20_000)])
    assert sum(1 for _ in differences(before, after, 20_000, folder)) == 20_000


RECORDS = st.dictionaries(st.integers(0, 30), st.sampled_from("abcd"), max_size=20)


@settings(deadline=None, max_examples=200)
@given(old=RECORDS, new=RECORDS, limits=st.sampled_from([(1 << 30, 1 << 30), (3, 0)]))
def test_it_finds_what_two_dictionaries_say(tmp_path_factory, old, new, limits):
    folder = tmp_path_factory.mktemp("compared")
    random.seed(0)
    before, after = (
        table(folder, name, random.sample(rows, len(rows)))
        for name, rows in (
            ("old", [[str(key), value, ""] for key, value in old.items()]),
            ("new", [[str(key), value, ""] for key, value in new.items()]),
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "_MOST_HASHES", limits[0])  # many passes, all of it on disk
        patch.setattr(comparing, "_IN_MEMORY_BYTES", limits[1])
        came, went, changed = told(before, after, folder, rows=31)
    assert came == sorted(new[key] for key in new.keys() - old.keys())
    assert went == sorted(old[key] for key in old.keys() - new.keys())
    assert changed == {
        (str(key),): {"Name": (old[key], new[key])}
        for key in old.keys() & new.keys()
        if old[key] != new[key]
    }
