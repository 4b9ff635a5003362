"""What became of each record over many days, with the real comparing and real files."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.errors import Cancelled
from appliance.core.model import Archive
from appliance.core.ports import Watch
from appliance.exports.tables.writing import Files
from appliance.exports.timeline import joining
from appliance.exports.timeline.chain import Chain
from appliance.exports.timeline.records import Records, write_records
from tests.exports.days import Days, csv

START = datetime(2026, 11, 1, 3, tzinfo=UTC)
HEADER = "Record Id,Last Name,Phone"


def archive(number):
    time = START + timedelta(number)
    return Archive(Archive.name_for("crm", time), "crm", time, number, "m")


class Office:
    """Days of exports, and the timeline that is told of them."""

    def __init__(self, folder):
        self.folder = folder
        self.days = Days(folder)
        self.roots = {}
        self.chain = Chain(folder / "timeline", "able-baker", "crm")
        self.records = Records(self.chain)
        self.told = 0
        self.growth = None

    def add(self, files, numbers=None):
        """One day, whole: a timeline is told of its archive at once."""
        number = numbers or self.told + 1
        self.roots[number] = self.days.add(files).root
        self.tell(number)

    def tell(self, number):
        if self.growth is None:
            self.anew()
        self.growth.add(archive(number), self.roots[number], ())
        self.told = number

    def anew(self):
        """Another program, later."""
        work = self.folder / f"growth-{len(list(self.folder.iterdir()))}"
        work.mkdir()
        self.growth = self.records.growth(work, Watch())
        if self.told:
            self.growth.stand_on(archive(self.told), self.roots[self.told])

    def forget(self, *numbers):
        self.records.forget([archive(number).name for number in numbers], Watch())

    def find(self, text, most=100):
        return self.records.search(text, most, Watch())

    def story(self, text):
        """What became of the one record that is found: day, what, and the fields."""
        (record,) = self.find(text).records
        return [
            ((moment.time - START).days, moment.kind, dict(moment.fields))
            for moment in record.moments
        ]


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


def contacts(*rows, header=HEADER):
    return {"Contacts.csv": csv([header, *rows])}


def test_the_whole_life_of_a_record(office):
    for rows in (["1,Ann,"], ["1,Ann,", "2,Bob,030"], ["2,Bob,031", "1,Ann,"], ["1,Ann,"]):
        office.add(contacts(*rows))
    assert office.story("bob") == [
        (2, "added", {}),
        (3, "changed", {"Phone": ("030", "031")}),
        (4, "removed", {}),
    ]
    assert office.story("ann") == [(1, "there", {})]


def test_what_is_found_by_an_old_name_is_told_to_its_end(office):
    for rows in (["1,Meyer,0"], ["1,Schulz,0"], ["9,Other,0"]):
        office.add(contacts(*rows))
    (record,) = office.find("meyer").records
    assert record.title == "Schulz"
    assert (record.is_there, record.last_in) == (False, archive(2).name)
    assert record.row == {"Record Id": "1", "Last Name": "Schulz", "Phone": "0"}


def test_who_comes_back_is_told_so(office):
    for rows in (["1,Ann,0", "2,Bob,0"], ["1,Ann,0"], ["1,Ann,0", "2,Bob,1"]):
        office.add(contacts(*rows))
    assert [what for _, what, _ in office.story("bob")] == ["there", "removed", "added"]
    assert office.find("bob").records[0].is_there


def test_words_may_stand_in_any_cells_and_capitals_and_accents_are_as_they_are_meant(office):
    office.add(contacts('1,"Müller, ANA",030 5', "2,Strauß,030 6"))
    assert office.find("030 müller").count == 1
    assert office.find("mu\N{COMBINING DIAERESIS}ller").count == 1
    assert office.find("STRAUSS").count == 1
    assert office.find("müller strauß").count == 0
    assert office.find("last").count == 0


def test_what_is_odd_in_a_cell_is_found_and_told_as_it_is(office):
    office.add(contacts('1,"A\\n ""B""\nC",\\s', '2,x,"1\x1f2"'))
    (record,) = office.find('"b"').records
    assert record.row["Last Name"] == 'A\\n "B"\nC'
    assert record.row["Phone"] == "\\s"
    assert office.find("1\x1f2").records[0].row["Phone"] == "1\x1f2"


def test_an_id_is_found_however_another_export_writes_it(office):
    office.add(contacts("003A000001abcde,Ann,0"))
    office.add(contacts("003A000001abcdeIAA,Ann,1"))
    office.add(contacts("zcrm_77,Bob,1", "003A000001abcde,Ann,1"))
    assert office.find("003A000001abcdeIAA").count == 1
    assert [what for _, what, _ in office.story("ann")] == ["there", "changed", "changed"]
    assert office.find("77").count == 1


def test_a_new_column_is_a_change_of_those_who_say_something_there(office):
    office.add(contacts("1,Ann,0", "2,Bob,0"))
    office.add(contacts("1,Ann,0,f@x", "2,Bob,0,", header=f"{HEADER},Mail"))
    assert office.story("f@x") == [(1, "there", {}), (2, "changed", {"Mail": ("", "f@x")})]
    assert len(office.story("bob")) == 1
    office.add(contacts("1,Ann,0", "2,Bob,0"))
    assert office.story("ann")[2:] == [(3, "changed", {"Mail": ("f@x", "")})]


def test_a_table_that_is_gone_takes_its_records_with_it(office):
    deals = {"Deals.csv": csv(["Id,Title", "1,Roof"])}
    office.add(contacts("1,Ann,0") | deals)
    office.add(contacts("1,Ann,0"))
    office.add(contacts("1,Ann,0") | deals)
    assert [what for _, what, _ in office.story("roof")] == ["there", "removed", "added"]


def test_rows_without_an_id_are_told_as_they_come_and_go(office):
    for rows in (["x,Roof", "x,Roof"], ["x,Roof", "y,Wall"], ["y,Wall"]):
        office.add({"Notes.csv": csv(["Kind,Text", *rows])})
    assert [(day, what) for day, what, _ in office.story("roof")] == [
        (1, "there"), (1, "there"), (2, "removed"), (3, "removed"),
    ]  # fmt: skip


def test_of_very_many_the_first_are_told_and_all_are_counted(office):
    office.add(contacts(*(f"{n},Ann,0" for n in range(30))))
    found = office.find("ann", most=5)
    assert (len(found.records), found.count) == (5, 30)


def test_whoever_is_called_just_so_comes_first(office):
    office.add(contacts("1,Ann 770,0", "2,Ann 77,0", "3,An Ann 77,0", "77,Zed,Ann"))
    assert office.find("ann 77").records[0].title == "Ann 77"
    assert office.find("77").records[0].title == "Zed"


def test_the_newest_version_comes_back_as_the_vendor_wrote_it(office, tmp_path):
    office.add(contacts('1,"Ann ",0', "2,Bob,0", "3,Cy,"))
    office.add(contacts("2,Bob,1"))
    found = office.find("a").records + office.find("bob").records
    work = tmp_path / "some-work"
    work.mkdir()
    with Files(tmp_path / "back") as files:
        given = list(write_records(office.roots[1], found, files, work, Watch()))
    (path,) = files.paths
    assert path.read_bytes() == csv([HEADER, '1,"Ann ",0', "2,Bob,0"])
    assert len(given) == 2


def test_what_ends_it_in_the_middle_leaves_no_half_file(office, tmp_path):
    office.add(contacts("1,Ann,0", "2,Bob,0"))
    found = office.find("0").records
    work = fresh(office)

    def cancelled():
        with Files(tmp_path / "back") as files:
            for _ in write_records(office.roots[1], found, files, work, Watch()):
                raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        cancelled()
    assert [path for path in (tmp_path / "back").rglob("*") if path.is_file()] == []


def test_another_program_goes_on_where_the_first_ended(office):
    office.add(contacts("1,Ann,0"))
    office.anew()
    office.add(contacts("1,Ann,1"))
    assert [what for _, what, _ in office.story("ann")] == ["there", "changed"]


def test_where_the_one_before_cannot_be_read_the_next_is_told_whole(office):
    office.add(contacts("1,Ann,0", "2,Bob,0"))
    office.growth = office.records.growth(fresh(office), Watch())
    office.add(contacts("1,Ann,1", "3,Cy,0"))
    assert office.story("ann") == [(1, "there", {}), (2, "changed", {"Phone": ("0", "1")})]
    assert [what for _, what, _ in office.story("bob")] == ["there", "removed"]
    assert [what for _, what, _ in office.story("cy")] == ["added"]


def fresh(office):
    folder = office.folder / "another"
    folder.mkdir()
    return folder


def test_what_only_a_forgotten_backup_said_is_nowhere_any_more(office):
    for rows in (["1,Ann,0"], ["1,Ann,1", "2,Bob,0"], ["1,Ann,2"]):
        office.add(contacts(*rows))
    office.forget(2)
    assert office.find("bob").count == 0
    assert office.story("ann") == [(1, "there", {}), (3, "changed", {"Phone": ("0", "2")})]
    office.forget(1)
    assert office.story("ann") == [(3, "there", {})]
    office.forget(3)
    assert office.find("ann").count == 0
    assert not list(office.chain.folder.glob("*.segment"))


@pytest.mark.parametrize(
    ("gone", "story"),
    [
        ([], [(1, "there"), (3, "removed"), (4, "added")]),
        ([3], [(1, "there")]),
        ([2], [(1, "there"), (3, "removed"), (4, "added")]),
        ([1, 2], [(4, "added")]),
        ([4], [(1, "there"), (3, "removed")]),
        ([1, 2, 3], [(4, "there")]),
    ],
)
def test_a_table_that_comes_and_goes_is_told_as_if_the_forgotten_had_never_been(
    office, gone, story
):
    deals = {"Deals.csv": csv(["Id,Title", "1,Roof"])}
    for number in (1, 2, 3, 4):
        office.add(contacts("1,Ann,0", "2,Bob,0") | (deals if number != 3 else {}))
    office.forget(*gone)
    assert [(day, what) for day, what, _ in office.story("roof")] == story
    assert [what for _, what, _ in office.story("ann")] == ["there"]


def test_columns_that_come_and_go_are_told_as_if_the_forgotten_had_never_been(office):
    office.add(contacts("1,Ann,0", "2,Bob,0"))
    office.add(contacts("f@x,1,Ann,0", ",2,Bob,0", header=f"Mail,{HEADER}"))
    office.add(contacts("1,Ann,0", "2,Bob,7"))
    office.forget(1)
    assert office.story("f@x") == [(2, "there", {}), (3, "changed", {"Mail": ("f@x", "")})]
    assert office.story("bob") == [(2, "there", {}), (3, "changed", {"Phone": ("0", "7")})]
    office.forget(2)
    assert office.find("f@x").count == 0
    assert office.find("bob").records[0].row["Phone"] == "7"


def test_who_stops_it_in_the_middle_leaves_no_half_segment(office):
    office.add(contacts("1,Ann,0"))
    watch = Watch()
    office.growth.watch = watch
    watch.cancel.set()
    with pytest.raises(Cancelled):
        office.add(contacts("1,Ann,1"))
    assert [path.name for path in office.chain.folder.iterdir()] == ["0000000001.segment"]
    assert [what for _, what, _ in office.story("ann")] == ["there"]


def test_a_join_that_was_cut_off_counts_as_done(office):
    """Both files lie there: the older one, and the newer that already has what it said."""
    for rows in (["1,Ann,0"], ["1,Ann,1"], ["1,Ann,2"]):
        office.add(contacts(*rows))
    second = office.chain.links()[1].path
    kept = second.read_bytes()
    office.forget(2)
    second.write_bytes(kept)
    assert [when for when, _, _ in office.story("ann")] == [1, 3]
    office.chain.tidy()
    assert not second.exists()


def test_what_is_damaged_is_thrown_away_with_all_that_goes_on_from_it(office):
    for rows in (["1,Ann,0"], ["1,Ann,1"], ["1,Ann,2"]):
        office.add(contacts(*rows))
    second = office.chain.links()[1].path
    second.write_bytes(second.read_bytes()[:-1])
    office.records.mend()
    assert [one.sequence for one in office.records.archives()] == [1]


def test_who_was_passed_over_is_remembered_whatever_is_forgotten(office):
    office.add(contacts("1,Ann,0"))
    for number, over in ((2, ["crm-x"]), (3, ["crm-y"])):
        root = office.days.add(contacts(f"1,Ann,{number}")).root
        office.growth.add(archive(number), root, over)
    assert office.records.passed_over() == {"crm-x", "crm-y"}
    office.forget(2)
    assert office.records.passed_over() == {"crm-x", "crm-y"}
    assert [when for when, _, _ in office.story("ann")] == [1, 3]


def test_somebody_else_s_passphrase_opens_nothing(office):
    office.add(contacts("1,Ann,0"))
    other = Records(Chain(office.chain.folder, "another", "crm"))
    assert list(other.archives()) == []


ROWS = st.dictionaries(st.sampled_from("123"), st.sampled_from("abc"), max_size=3)


@settings(max_examples=25, deadline=None)
@given(days=st.lists(ROWS, min_size=2, max_size=6), data=st.data(), shares=st.sampled_from([1, 8]))
def test_whatever_is_forgotten_the_rest_is_told_as_if_it_had_never_been(days, data, shares):
    """The expectation goes by the rows alone, day by day."""
    numbers = range(1, len(days) + 1)
    gone = data.draw(st.sets(st.sampled_from(numbers), max_size=len(days) - 1))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "_SHARE_BYTES", 100 if shares > 1 else 8 << 20)
        office = Office(Path(folder))
        for rows in days:
            office.add(
                contacts("0,Zed,", *(f"{key},Ann {key},{said}" for key, said in rows.items()))
            )
        office.forget(*gone)
        left = [number for number in numbers if number not in gone]
        for key in "123":
            found = office.find(f"ann {key}").records
            told = [
                ((moment.time - START).days, moment.kind, dict(moment.fields))
                for record in found
                if record.id == key
                for moment in record.moments
            ]
            assert told == expected(key, days, left)


def expected(key, days, left):
    moments, before = [], None
    for number in left:
        now = days[number - 1].get(key)
        if now != before:
            if before is None:
                moments.append((number, "there" if number == left[0] else "added", {}))
            elif now is None:
                moments.append((number, "removed", {}))
            else:
                moments.append((number, "changed", {"Phone": (before, now)}))
        before = now
    return moments
