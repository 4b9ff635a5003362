"""One record through all backups, with the real Borg: told, given back, and nowhere in clear."""

from __future__ import annotations

import csv
import io
import shutil
import signal
from functools import partial

import pytest

from appliance.core.errors import ApplianceError
from appliance.core.model import Trigger
from tests.system import processes
from tests.system.office import Office, put, zipped
from tests.system.test_daemon import serving

pytestmark = pytest.mark.slow
HEADER = ["Record Id", "Last Name", "Phone", "Modified Time"]
OTHERS = [[f"zcrm_{n:09}", f"Müller, Ana {n}", f"030 {n}", "2026-11-20"] for n in range(50)]
DAYS = [
    None,
    ["zcrm_000000777", "Meyer-Zwölf, Jo", "0711 1", "2026-11-21"],
    ["zcrm_000000777", "Meyer-Zwölf, Jo", "0711 2", "2026-11-22"],
    ["zcrm_000000777", "Schulz, Jo", "0711 2", "2026-11-23"],
    None,
]
CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{0}\r\nFN:{1}\r\nTEL;TYPE=work:040 {0}\r\nEND:VCARD\r\n"


def written(*rows):
    """As this vendor writes: a mark, semicolons, all in quotes, lines as Windows ends them."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL).writerows([HEADER, *rows])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def export(row):
    """One day: fifty contacts and maybe one more, and an address book."""
    contacts = written(*OTHERS[::-1], *([row] if row else []))
    book = "".join(CARD.format(n, f"Wegener {n}") for n in range(3)).encode()
    return zipped({"Contacts.csv": contacts, "book.vcf": book})


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Five days: a contact appears, is changed twice, and goes."""
    office = Office(tmp_path_factory.mktemp("office"))
    inbox = office.inbox()
    office.disk()
    for row in DAYS:
        put(inbox, "Data.zip", export(row))
        office.ok("run")
    office.ok("find", "nobody")
    shutil.copytree(office.state / "timelines", office.folder / "read")
    return office


@pytest.fixture
def office(unread):
    """The same five days, all of which were read; what a test does to the timeline is its own."""
    shutil.copytree(unread.folder / "read", unread.state / "timelines")
    return unread


@pytest.fixture
def unread(filled):
    """The same five days before anybody looked for something."""
    shutil.rmtree(filled.state / "timelines", ignore_errors=True)
    return filled


def segments(office):
    return sorted((office.state / "timelines").rglob("*.segment"))


def archives(office):
    return sorted((one["archive"] for one in office.json("archives")), key=lambda one: one["time"])


def test_every_version_of_a_record_is_told(unread):
    (record,) = unread.json("find", "meyer-zwölf")["records"]
    days = [one["name"] for one in archives(unread)]
    told = [(one["archive"], one["kind"], one["fields"]) for one in record["moments"]]
    date, name = "Modified Time", "Last Name"
    second = {"Phone": ["0711 1", "0711 2"], date: ["2026-11-21", "2026-11-22"]}
    third = {name: ["Meyer-Zwölf, Jo", "Schulz, Jo"], date: ["2026-11-22", "2026-11-23"]}
    assert told == [
        (days[1], "added", {}),
        (days[2], "changed", second),
        (days[3], "changed", third),
        (days[4], "removed", {}),
    ]
    assert (record["table"], record["id"]) == ("contacts", "zcrm_000000777")
    assert (record["title"], record["is_there"]) == ("Schulz, Jo", False)


def test_it_is_said_in_words(office):
    said = office.ok("find", "ZWÖLF")
    assert "by-hand: 1 record\n  Schulz, Jo (contacts, zcrm_000000777)\n" in said
    for line in ("  new\n", "  Phone: 0711 1 -> 0711 2\n", "Last Name: Meyer-Zwölf", "  gone\n"):
        assert line in said
    many = office.ok("find", "müller, ana", "--limit", "2")
    assert "by-hand: 50 records" in many
    assert "and 48 more" in many
    assert "there, in the oldest backup" in many
    assert "by-hand: no record" in office.ok("find", "Zwölf Berlin")


def test_the_newest_version_comes_as_the_vendor_wrote_it(office, tmp_path):
    office.ok("find", "777", "--to", tmp_path / "back")
    (file,) = (path for path in (tmp_path / "back").rglob("*") if path.is_file())
    assert file.relative_to(tmp_path / "back").as_posix() == "Data.zip/Contacts.csv"
    assert file.read_bytes() == written(DAYS[3])
    again = office.call("find", "777", "--to", tmp_path / "back")
    assert again.returncode == 1
    assert "Contacts.csv is there already." in again.stderr
    assert file.read_bytes() == written(DAYS[3])


def test_a_card_comes_as_a_card(office, tmp_path):
    office.ok("find", "wegener 2", "--to", tmp_path / "back")
    book = (tmp_path / "back/Data.zip/book.vcf").read_bytes()
    assert book.replace(b"\r", b"") == CARD.format(2, "Wegener 2").replace("\r", "").encode()


def test_nothing_of_it_lies_in_the_state_folder_in_clear(office):
    office.ok("find", "zwölf")
    assert segments(office)
    for path in office.state.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for word in ("Zwölf", "zwölf", "0711 2", "000000777", "Müller, Ana", "Wegener"):
                assert word.encode() not in data, path
                assert word.encode("utf-16-le") not in data, path


def test_the_second_time_no_backup_is_read_and_none_need_be_here(office):
    first = office.json("find", "zwölf")
    runs = len(office.json("history"))
    (office.folder / "disk-a").rename(office.folder / "elsewhere")
    try:
        assert office.json("find", "zwölf") == first
        assert len(office.json("history")) == runs
        gone = office.call("find", "zwölf", "--to", office.folder / "back")
        assert gone.returncode == 1
    finally:
        (office.folder / "elsewhere").rename(office.folder / "disk-a")


@pytest.mark.parametrize("harm", ["flip", "cut", "foreign", "swap"])
def test_a_damaged_or_foreign_file_is_built_anew(office, harm):
    first = office.json("find", "zwölf")
    files = segments(office)
    data = bytearray(files[2].read_bytes())
    if harm == "flip":
        data[-20] ^= 1
    elif harm == "cut":
        del data[-20:]
    elif harm == "foreign":
        data = bytearray(b"plain text of somebody else")
    else:
        data = bytearray(files[3].read_bytes())
    files[2].write_bytes(data)
    assert office.json("find", "zwölf")["records"] == first["records"]
    assert segments(office) == files


def has_so_many_or_ended(office, count, process):
    return len(segments(office)) >= count or process.poll() is not None


def test_killed_anywhere_it_goes_on(office):
    whole = office.json("find", "zwölf")["records"]
    shutil.rmtree(office.state / "timelines")
    for count in range(1, 5):
        with office.started("find", "zwölf", env=processes.marked(office.folder)) as process:
            ended = partial(has_so_many_or_ended, office, count, process)
            assert processes.until(ended, 120)
            process.kill()
            process.communicate(timeout=60)
        processes.until(lambda: not processes.left_over(office.folder), 60)
    assert office.json("find", "zwölf")["records"] == whole
    assert not list((office.state / "timelines").rglob(".*"))


def test_two_at_once_find_the_same(unread):
    with (
        unread.started("find", "zwölf", "--json") as one,
        unread.started("find", "zwölf", "--json") as two,
    ):
        first, second = one.communicate(timeout=120)[0], two.communicate(timeout=120)[0]
    assert first == second
    assert len(segments(unread)) == 5


def test_ctrl_c_leaves_nothing_half_written(unread):
    with unread.started("find", "zwölf") as process:
        processes.until(lambda: segments(unread), 60)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode in {0, 130}
    assert not list((unread.state / "timelines").rglob(".*"))
    assert len(unread.json("find", "zwölf")["records"]) == 1


def whole(download):
    return b"".join(download.chunks)


def settled(client, ticket):
    assert processes.until(lambda: client.sought(ticket)["state"] != "searching", 120)
    return client.sought(ticket)


def test_on_the_page_it_is_searched_beside_the_worker(unread):
    with serving(unread) as (_, client):
        facts = settled(client, client.seek("by-hand", "zwölf", "me"))
        assert facts["state"] == "found", facts
        (record,) = facts["records"]
        assert [one["kind"] for one in record["moments"]] == [
            "added", "changed", "changed", "removed",
        ]  # fmt: skip
        assert whole(client.download(facts["ticket"], "record", 0)) == written(DAYS[3])
        with pytest.raises(ApplianceError, match="no such record"):
            client.download(facts["ticket"], "record", 1)
        with pytest.raises(ApplianceError, match="forgotten"):
            client.sought("nonsense")
        with pytest.raises(ApplianceError, match="cannot be looked for"):
            client.seek("by-hand", "  x ", "me")
        assert list((unread.state / "staging").iterdir()) == []


def test_on_the_page_nobody_gets_more_of_a_cell_than_anybody_reads(tmp_path):
    (tmp_path / "office").mkdir()
    office = Office(tmp_path / "office")
    put(office.inbox(), "Contacts.csv", written(["zcrm_1", "Zwölf " + "x" * 30_000, "1", ""]))
    office.disk()
    office.ok("run")
    with serving(office) as (_, client):
        facts = settled(client, client.seek("by-hand", "zwölf", "me"))
        assert len(facts["records"][0]["row"]["Last Name"]) == 301
        given = whole(client.download(facts["ticket"], "record", 0))
    assert given == (office.folder / "by-hand/done/Contacts.csv").read_bytes()


def test_whoever_searches_anew_gives_up_what_was_searched_before(unread):
    with serving(unread) as (_, client):
        first = client.seek("by-hand", "zwölf", "me")
        second = client.seek("by-hand", "wegener 2", "me")
        assert settled(client, second)["count"] == 1
        assert settled(client, first)["state"] in {"failed", "found"}


def test_once_somebody_searched_the_worker_keeps_it_up_to_date(tmp_path):
    (tmp_path / "office").mkdir()
    office = Office(tmp_path / "office")
    inbox = office.inbox()
    office.disk()
    put(inbox, "Data.zip", export(DAYS[1]))
    office.ok("run")
    (office.state / "timelines" / "no-source-any-more").mkdir(parents=True)
    office.ok("find", "zwölf")
    assert not (office.state / "timelines" / "no-source-any-more").exists()
    with serving(office) as (_, client):
        put(inbox, "Data.zip", export(DAYS[2]))
        client.start("by-hand", Trigger.PAGE)
        assert processes.until(lambda: len(segments(office)) == 2, 120)
        assert processes.until(lambda: newest_of_kind(office, "timeline:")["outcome"] == "ok", 60)
    runs = len(office.json("history"))
    (record,) = office.json("find", "zwölf")["records"]
    assert [one["kind"] for one in record["moments"]] == ["there", "changed"]
    assert len(office.json("history")) == runs


def newest_of_kind(office, kind):
    return office.json("history", kind)[0]
