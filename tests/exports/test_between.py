"""What lies between two archives, whatever the records were written in, and getting it back."""

from __future__ import annotations

import pytest

from appliance.core.model import Lost
from appliance.core.ports import Watch
from appliance.exports import manifest, understanding
from appliance.exports.between import Between
from appliance.exports.layout import ExportFolder
from appliance.exports.tables.grouping import TableRule
from tests.exports.days import Days, csv, read
from tests.exports.packing import zip_of
from tests.exports.tables.test_workbook import book_of

PEOPLE = [["Id", "Name", "Zip"], ["1", "Ann", "01067"], ["2", "Bob, B", "02"], ["3", "Cy", "03"]]


@pytest.fixture
def days(tmp_path):
    return Days(tmp_path)


def lost(days, before, after, what="removed", only=()):
    """Lay out two exports; return the files of what was lost between them."""
    roots = [days.add(files).root for files in (before, after)]
    work, into = days.folder / "between", days.folder / "back"
    work.mkdir()
    into.mkdir()
    wish = Lost(what=what, only=tuple(only))
    written = Between.of(*roots, work, Watch()).lost(wish, into)
    found = read(into)
    assert sorted(str(path.relative_to(into)) for path in written) == sorted(found)
    return found


def dump(*users, deals="(7,'x')"):
    return (
        "-- MySQL dump\n/*!40101 SET NAMES utf8mb4 */;\n"
        "CREATE TABLE `users` (`id` int, `n` text, PRIMARY KEY (`id`));\n"
        f"INSERT INTO `users` VALUES {','.join(users)};\n"
        "CREATE TABLE `deals` (`id` int, `n` text, PRIMARY KEY (`id`));\n"
        f"INSERT INTO `deals` VALUES {deals};\n"
    ).encode()


def test_rows_of_a_dump_come_back_as_sql_for_each_table(days):
    before = {"a.zip": zip_of({"crm.sql": dump("(1,'O\\'N')", "(2,'b')", deals="(7,'x'),(8,'y')")})}
    after = {"a.zip": zip_of({"crm.sql": dump("(2,'b')")})}
    assert lost(days, before, after) == {
        "a.zip/crm.sql/users.sql": b"/*!40101 SET NAMES utf8mb4 */;\n"
        b"INSERT INTO `users` (`id`, `n`) VALUES\n(1,'O\\'N');\n",
        "a.zip/crm.sql/deals.sql": b"/*!40101 SET NAMES utf8mb4 */;\n"
        b"INSERT INTO `deals` (`id`, `n`) VALUES\n(8,'y');\n",
    }


def test_rows_of_a_workbook_come_back_as_csv(days):
    firms = [["Id", "Firm"], ["1", "A"]]
    before = {"Office.xlsx": book_of(People=PEOPLE, Firms=firms), "One.xlsx": book_of(S=PEOPLE)}
    after = {
        "Office.xlsx": book_of(People=PEOPLE[:2], Firms=firms),
        "One.xlsx": book_of(S=PEOPLE[:1] + PEOPLE[2:]),
    }
    assert lost(days, before, after) == {
        "Office.xlsx/People.csv": b'\xef\xbb\xbfId,Name,Zip\r\n2,"Bob, B",02\r\n3,Cy,03\r\n',
        "One.xlsx.csv": b"\xef\xbb\xbfId,Name,Zip\r\n1,Ann,01067\r\n",
    }


def test_an_old_value_of_a_record_over_several_lines(days):
    lines = ['"id","name","lines"', '"a","A","1"', '"","","2"', '"b","B","3"']
    changed = [*lines[:2], '"","","4"', lines[3]]
    back = lost(days, {"Order.csv": csv(lines)}, {"Order.csv": csv(changed)}, "changed")
    assert back == {"Order.csv": csv(lines[:3])}


def test_an_encoding_that_somebody_named_holds_for_both_days(tmp_path):
    rule = TableRule("Kontakty", encoding="cp1250")
    days = Days(tmp_path, ExportFolder(rules=[rule]))
    first = "Id;Name\r\n1;Šárka Žižková\r\n2;Jiří\r\n".encode("cp1250")
    second = "Id;Name\r\n1;Šárka Říhová\r\n2;Jiří\r\n".encode("cp1250")
    roots = [days.add({"Kontakty.csv": data}).root for data in (first, second)]
    (table,) = manifest.load(roots[1])[0].tables
    assert table["encoding"] == "cp1250"
    assert table["since"]["changed"] == 1
    (tmp_path / "between").mkdir()
    ((changes),) = Between.of(*roots, tmp_path / "between", Watch()).changes([])
    assert changes.records[0].fields == {"Name": ("Šárka Žižková", "Šárka Říhová")}


def test_a_dump_of_many_tables_is_made_again_once(days, monkeypatch):
    tables = "".join(
        f"CREATE TABLE `t{n}` (`id` int, PRIMARY KEY (`id`));\nINSERT INTO `t{n}` VALUES (1),(2);\n"
        for n in range(50)
    )
    real, times = understanding.made, []
    monkeypatch.setattr(understanding, "made", lambda *what: times.append(what) or real(*what))
    days.add({"crm.sql": f"-- MySQL\n{tables}".encode()})
    layout = days.add({"crm.sql": f"-- MySQL\n{tables.replace('(1),', '')}".encode()})
    assert len(times) == 1
    assert [table["since"]["removed"] for table in layout.tables] == [1] * 50


def test_what_somebody_said_to_ignore_is_ignored_later_too(tmp_path):
    days = Days(tmp_path, ExportFolder(rules=[TableRule("People*", ignore=("Seen",))]))
    rows = ["Id,Name,Seen", "1,Ann,monday", "2,Bob,monday"]
    seen = ["Id,Name,Seen", "1,Ann,friday", "2,Bobby,friday"]
    roots = [days.add({"People.csv": csv(lines)}).root for lines in (rows, seen)]
    (tmp_path / "work").mkdir()
    (found,) = Between.of(*roots, tmp_path / "work", Watch()).changes(())
    assert (found.added, found.changed, found.removed) == (0, 1, 0)
    assert found.records[0].fields == {"Name": ("Bob", "Bobby")}


def test_a_column_that_is_another_everywhere_is_told_once_and_hides_nothing(days, tmp_path):
    def rows(day, **names):
        called = {n: names.get(f"n{n}", f"Name {n}") for n in range(100, 140)}
        return ["Id,Name,Synced", *(f"{n},{name},{day}" for n, name in called.items())]

    lines = [rows("monday"), [*rows("friday", n105="Ann", n106="Bo"), "7,Cy,friday"]]
    layouts = [days.add({"People.csv": csv(each)}) for each in lines]
    since = layouts[1].tables[0]["since"]
    assert (since["added"], since["changed"], since["removed"]) == (1, 2, 0)
    assert since["everywhere"] == ["Synced"]
    assert layouts[1].changes == "1 new people, 2 changed, Synced is another in nearly all."
    (tmp_path / "work").mkdir()
    found = Between.of(*(one.root for one in layouts), tmp_path / "work", Watch()).changes(())
    (told,) = found
    assert (told.added, told.changed, told.everywhere) == (1, 2, ("Synced",))
    assert sorted(one.title for one in told.records) == ["Ann", "Bo", "Cy"]
    assert [one.fields for one in told.records if one.title == "Ann"] == [
        {"Name": ("Name 105", "Ann")}
    ]


def test_of_few_records_each_is_told_whatever_changed(days):
    for day in ("monday", "friday"):
        rows = ["Id,Name,Synced", *(f"{n},Name {n},{day}" for n in range(10))]
        layout = days.add({"People.csv": csv(rows)})
    assert layout.tables[0]["since"]["changed"] == 10


def test_columns_with_another_name_and_type_are_told(days, tmp_path):
    rows = ["Id,Phone,Zip", *(f"{n},030 {n},0{n}" for n in range(10, 20))]
    others = ["Id,Mobile,Zip", *(f"{n},030 {n},{n}" for n in range(10, 20))]
    roots = [days.add({"People.csv": csv(lines)}).root for lines in (rows, others)]
    (tmp_path / "work").mkdir()
    (found,) = Between.of(*roots, tmp_path / "work", Watch()).changes(())
    assert found.renamed == {"Phone": "Mobile"}
    assert found.retyped == {"Zip": ["text", "numbers"]}
    assert (found.new_columns, found.lost_columns, found.changed) == ([], [], 10)
