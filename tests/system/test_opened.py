"""A backup is opened over the real socket: real worker, real Borg, looked at and taken home."""

import contextlib
import hashlib
import io
import json
import re
import shutil
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

from appliance import daemon
from appliance.box import Box
from appliance.config import load
from appliance.core.errors import ApplianceError
from appliance.core.events import RunStarted
from appliance.core.model import Trigger
from appliance.engine import memory
from appliance.giving_back.opened import UNUSED_FOR
from appliance.system.ledger import SqliteLedger
from appliance.system.socket import Client, WorkerAbsent
from tests.fakes import FakeClock
from tests.system import processes
from tests.system.office import Office, contacts, put, zipped
from tests.system.test_daemon import log, serving

pytestmark = pytest.mark.slow

PEOPLE = [{"id": number, "name": f"Zoë {number}"} for number in range(300)]
DATA = {
    "Contacts_001.csv": contacts(3000),
    "people.json": json.dumps({"people": PEOPLE}).encode(),
    "logo.png": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "notes <script>.txt": b"Ana called.\n",
}
EXPORT = zipped(DATA)


@pytest.fixture
def filled(prepared, tmp_path):
    return prepared.copied_to(tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """An office with one backup of a few tables."""
    office = Office(tmp_path_factory.mktemp("office"))
    put(office.inbox(), "Data_001.zip", EXPORT)
    office.disk()
    office.ok("run")
    return office


@contextlib.contextmanager
def opened(client, who="me", cloud="", index=0):
    """The newest backup, opened; its ticket and what is in it."""
    name = client.backups("by-hand")["backups"][index]["name"]
    ticket = client.open_backup("by-hand", name, who, cloud)
    facts = settled(client, ticket)
    assert facts["state"] == "open", facts
    try:
        yield ticket, facts
    finally:
        with contextlib.suppress(WorkerAbsent):
            client.close_backup(ticket)


def settled(client, ticket):
    assert processes.until(lambda: client.opened(ticket)["state"] != "opening", 60)
    return client.opened(ticket)


def numbers(facts):
    return {each["path"].rpartition("/")[2]: n for n, each in enumerate(facts["files"])}


def whole(download):
    return b"".join(download.chunks)


def apart(office):
    return list((office.state / "staging").glob("opened-*"))


def test_which_backups_there_are_is_known_without_a_disk(filled):
    with serving(filled) as (_, client):
        shutil.move(filled.folder / "disk-a" / "repo", filled.folder / "away")
        listed = client.backups("by-hand")
        assert client.backups()["sources"] == ["by-hand"]
        with pytest.raises(ApplianceError, match="no source named other"):
            client.backups("other")
    (backup,) = listed["backups"]
    assert backup["places"] == [{"name": "disk-a", "kind": "disk", "here": True}]
    assert backup["held"] is False
    assert backup["size_bytes"] == len(EXPORT)
    assert backup["local"][:10] == listed["today"]


def test_a_backup_is_listed_looked_at_searched_and_taken_home(filled):
    with serving(filled) as (_, client), opened(client) as (ticket, facts):
        assert [(each["table"], each["kind"]) for each in facts["files"]] == [
            ("Contacts 001", "table"),
            ("people", "json"),
            ("", "text"),
            ("", "binary"),
        ]
        assert (facts["newer"], facts["place"], facts["size_bytes"]) == (
            0,
            "disk-a",
            sum(map(len, DATA.values())),
        )
        number = numbers(facts)
        shown = client.rows(ticket, number["Contacts_001.csv"], 50)
        assert shown["header"][0] == "Record Id"
        assert (len(shown["rows"]), shown["has_more"]) == (50, True)
        assert shown["rows"][1][:2] == ["zcrm_000000001", "Müller, Ana 1"]

        found = client.find(ticket, "MÜLLER, ANA 2999")
        assert found["go_on"] is None
        (hit,) = found["finds"]
        assert hit["cells"][1] == "Müller, Ana 2999"
        row = client.download(ticket, "row", hit["file"], hit["start"])
        header, line = whole(row).splitlines(keepends=True)
        assert DATA["Contacts_001.csv"].startswith(header)
        assert DATA["Contacts_001.csv"].endswith(line)
        (person,) = client.find(ticket, "zoë 299")["finds"]
        assert (person["header"], person["cells"]) == (["id", "name"], ["299", "Zoë 299"])

        file = client.download(ticket, "file", number["Contacts_001.csv"])
        assert file.size_bytes == len(DATA["Contacts_001.csv"])
        assert file.name.startswith("Contacts_001 (")
        assert whole(file) == DATA["Contacts_001.csv"]
        with zipfile.ZipFile(io.BytesIO(whole(client.download(ticket, "all")))) as everything:
            assert everything.testzip() is None
            assert {
                name.removeprefix("Data_001.zip/"): everything.read(name)
                for name in everything.namelist()
            } == DATA
        assert [each["path"] for each in facts["originals"]] == ["Data_001.zip"]
        original = client.download(ticket, "original", 0)
        assert original.size_bytes == len(EXPORT)
        assert hashlib.sha256(whole(original)).digest() == hashlib.sha256(EXPORT).digest()
        assert apart(filled)[0].stat().st_mode & 0o777 == 0o700
        client.close_backup(ticket)
        assert apart(filled) == []
        with pytest.raises(ApplianceError, match="You closed it"):
            client.opened(ticket)
    (restore, *_) = filled.json("history")
    assert (restore["source"], restore["trigger"], restore["outcome"]) == (
        "restore:by-hand",
        "page",
        "ok",
    )


def test_unzip_takes_what_is_made_while_it_streams(filled, tmp_path):
    with serving(filled) as (_, client), opened(client) as (ticket, _):
        (tmp_path / "all.zip").write_bytes(whole(client.download(ticket, "all")))
    done = subprocess.run(["unzip", "-t", tmp_path / "all.zip"], capture_output=True, check=False)
    assert done.returncode == 0, done


@pytest.mark.parametrize("file", [-1, 4, 10**9])
def test_a_file_is_named_by_its_number_and_by_nothing_else(filled, file):
    with serving(filled) as (_, client), opened(client) as (ticket, _):
        for what in ("file", "original", "row", "rows"):
            with pytest.raises(ApplianceError, match="no such"):
                client.download(ticket, what, file)
        with pytest.raises(ApplianceError, match="no such"):
            client.rows(ticket, file, 50)


def test_no_link_is_followed_and_what_breaks_off_is_not_taken_for_whole(filled):
    with serving(filled) as (_, client), opened(client) as (ticket, facts):
        (folder,) = apart(filled)
        table = folder / "files" / facts["files"][0]["path"]
        table.unlink()
        table.symlink_to("/etc/passwd")
        with pytest.raises(ApplianceError, match="not there any more"):
            client.rows(ticket, 0, 50)
        with pytest.raises(ApplianceError, match="not there any more"):
            whole(client.download(ticket, "file", 0))


def test_one_at_a_time_and_the_second_browser_is_told(filled):
    with serving(filled) as (_, client), opened(client) as (ticket, facts):
        again = client.open_backup("by-hand", facts["name"], "me")
        assert again == ticket, "the same person, the same backup: it is open already"
        with pytest.raises(ApplianceError, match="Somebody else has a backup open") as caught:
            client.open_backup("by-hand", facts["name"], "you")
        assert "minutes at the latest" in caught.value.hint
        client.close_backup(ticket)
        mine = client.open_backup("by-hand", facts["name"], "you")
        assert settled(client, mine)["state"] == "open"
        with pytest.raises(ApplianceError):
            client.rows(ticket, 0, 50)


def test_with_the_disk_away_it_says_so_and_the_cloud_copy_is_offered(filled):
    cloud = filled.folder / "cloud"
    cloud.mkdir()
    filled.add("[[mirror]]", name="cloud", repository="disk-a", remote=cloud)
    filled.ok("mirror")
    with serving(filled) as (_, client):
        shutil.move(filled.folder / "disk-a" / "repo", filled.folder / "away")
        name = client.backups("by-hand")["backups"][0]["name"]
        failed = settled(client, client.open_backup("by-hand", name, "me"))
        assert failed["state"] == "failed"
        assert failed["clouds"] == ["cloud"]
        assert "or take it from the cloud copy" in failed["hint"]
        assert apart(filled) == []
        with opened(client, cloud="cloud") as (ticket, facts):
            assert facts["place"] == "cloud"
            assert whole(client.download(ticket, "file", 0)) == DATA["Contacts_001.csv"]


def test_without_room_nothing_is_opened_and_it_says_how_much_is_needed(filled):
    free = shutil.disk_usage(filled.state).free
    sections = filled.config.read_text().replace('"1 MB"', f'"{free // 1_000_000 + 1_000_000} MB"')
    filled.config.write_text(sections)
    with serving(filled) as (_, client):
        name = client.backups("by-hand")["backups"][0]["name"]
        failed = settled(client, client.open_backup("by-hand", name, "me"))
        assert failed["state"] == "failed"
        assert "free" in failed["sentence"]
        assert apart(filled) == []


def test_cancelled_while_it_is_opened_it_leaves_nothing(filled):
    with serving(filled) as (_, client):
        name = client.backups("by-hand")["backups"][0]["name"]
        ticket = client.open_backup("by-hand", name, "me")
        client.close_backup(ticket)
        with pytest.raises(ApplianceError, match="You closed it"):
            client.opened(ticket)
        assert processes.until(lambda: apart(filled) == [], 60)
        assert processes.until(lambda: b"appliance.giving_back.opening" not in commands(filled), 60)
        assert list((filled.state / "staging").iterdir()) == []


def commands(office):
    return b"".join(processes.of(office.folder).values())


def test_a_worker_that_is_killed_in_the_middle_says_not_whole_and_leaves_nothing(filled):
    put(filled.folder / "by-hand", "Data_002.zip", zipped({"big.csv": contacts(60_000)}))
    filled.ok("run")
    with serving(filled) as (process, client), opened(client) as (ticket, _):
        download = client.download(ticket, "file", 0)
        first = next(download.chunks)
        process.kill()
        process.wait(10)
        with pytest.raises(WorkerAbsent, match="not whole"):
            b"".join(download.chunks)
        assert first
        assert apart(filled)
    with serving(filled):
        assert apart(filled) == []


def test_a_worker_that_ends_wipes_what_is_open(filled):
    with serving(filled) as (process, client), opened(client):
        process.terminate()
        assert process.wait(30) == 0
        assert apart(filled) == []
    assert "Traceback" not in log(filled)


@pytest.fixture
def engine(filled):
    """The engine in this process, with a clock that a test may turn."""
    box = Box(load(filled.config))
    box.clock = FakeClock(box.clock.now())
    with daemon.only_worker(box):
        engine = daemon.start_up(box)
        yield engine
        engine.opened_backups.end()
        box.ledger.close()


def test_it_is_wiped_after_a_quarter_of_an_hour_without_use(filled, engine):
    with opened(engine) as (ticket, _):
        engine.opened_backups.tidy()
        clock = engine._box.clock
        clock.forward(UNUSED_FOR * 0.9)
        engine.rows(ticket, 0, 1)
        clock.forward(UNUSED_FOR * 0.9)
        engine.opened_backups.tidy()
        assert apart(filled)
        download = engine.download(ticket, "all")
        next(download.chunks)
        clock.forward(UNUSED_FOR * 2)
        engine.opened_backups.tidy()
        assert apart(filled), "somebody is taking it home"
        download.chunks.close()
        clock.forward(UNUSED_FOR * 1.1)
        engine.opened_backups.tidy()
        assert apart(filled) == []
        with pytest.raises(ApplianceError, match="nobody used it"):
            engine.opened(ticket)


def test_a_run_that_needs_the_room_gets_it(filled, engine):
    with opened(engine) as (ticket, _):
        free = engine._box.staging.free_bytes()
        with pytest.raises(ApplianceError):
            engine._box.staging.require(free * 2)
        assert apart(filled) == []
        with pytest.raises(ApplianceError, match="a backup needed the room"):
            engine.opened(ticket)


def test_before_a_run_begins_there_is_room_for_it(filled, engine, monkeypatch):
    run = engine._box.ledger.begin("by-hand", Trigger.PAGE, engine._box.clock.now())
    with opened(engine):
        engine.opened_backups.hear(RunStarted(run))
        assert apart(filled), "there is room for both"
        monkeypatch.setattr(engine._box.staging, "free_bytes", lambda: len(EXPORT))
        engine.opened_backups.hear(RunStarted(run))
        assert apart(filled) == []


def test_what_is_closed_in_the_middle_of_a_download_is_not_whole(filled, engine):
    with opened(engine) as (ticket, _):
        download = engine.download(ticket, "file", 0)
        next(download.chunks)
        engine.close_backup(ticket)
        with pytest.raises(ApplianceError, match="You closed it"):
            b"".join(download.chunks)


def test_a_backup_goes_on_being_open_with_another_configuration(filled):
    with serving(filled) as (_, client), opened(client) as (ticket, _):
        filled.inbox("second")
        client.reload()
        assert processes.until(lambda: len(client.backups()["sources"]) == 2, 30)
        assert whole(client.download(ticket, "file", 0)) == DATA["Contacts_001.csv"]


def test_two_take_things_home_at_once(filled):
    with serving(filled) as (_, client), opened(client) as (ticket, _):
        came = []

        def take():
            one = Client(filled.state / "worker.sock")
            came.append(whole(one.download(ticket, "file", 0)))

        takers = [threading.Thread(target=take) for _ in range(4)]
        for each in takers:
            each.start()
        for each in takers:
            each.join(60)
        assert came == [DATA["Contacts_001.csv"]] * 4


def test_the_worker_stays_small_whatever_the_size_of_a_file(office):
    folder = office.inbox()
    office.disk()
    with (folder / "big.csv").open("wb") as file:
        file.write(b"id,name,note\n")
        wide = b'1,Ana,"' + b"x" * 15_000_000 + b'"\n'
        file.write(wide)
        line = b"22,Berta,hello hello hello hello hello hello hello hello hello hello\n" * 1000
        while file.tell() < 300_000_000:
            file.write(line)
        file.write(b"33,Zorro,last\n")
    put(folder, "big.csv.done", b"")
    office.ok("run")
    with serving(office) as (process, client), opened(client) as (ticket, facts):
        big = numbers(facts)["big.csv"]
        before = peak_of(process)
        assert client.rows(ticket, big, 50)["rows"][0][1] == "Ana"
        at, found = (0, 0), {"finds": []}
        while at is not None and not found["finds"]:
            found = client.find(ticket, "zorro", *at)
            at = found["go_on"]
        assert found["finds"][0]["cells"] == ["33", "Zorro", "last"]
        assert sum(map(len, client.download(ticket, "file", big).chunks)) > 300_000_000
        assert sum(map(len, client.download(ticket, "all").chunks)) > 100_000
        print("peak before and after, KB", before, peak_of(process))
        assert peak_of(process) - before < 30_000


def peak_of(process):
    status = Path("/proc", str(process.pid), "status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def test_who_is_gone_since_a_backup_is_taken_home_as_the_vendor_writes(filled):
    """What a shop wants of it: just those customers, and nothing of the others."""
    stayed = b"\n".join([*DATA["Contacts_001.csv"].split(b"\n")[:-13], b""])
    put(filled.folder / "by-hand", "Data_001.zip", zipped(DATA | {"Contacts_001.csv": stayed}))
    filled.ok("run")
    with serving(filled) as (_, client):
        old = client.backups("by-hand")["backups"][1]["name"]
        ticket = client.open_backup("by-hand", old, "me", only="removed")
        facts = settled(client, ticket)
        (file,) = facts["files"]
        assert (facts["only"], facts["originals"], file["table"]) == ("removed", [], "Contacts 001")
        header, *rows = whole(client.download(ticket, "file", 0)).splitlines()
        assert header == DATA["Contacts_001.csv"].splitlines()[0]
        assert rows == DATA["Contacts_001.csv"].splitlines()[-12:]
        none = client.open_backup("by-hand", old, "me", only="changed")
        facts = settled(client, none)
        assert facts["state"] == "failed"
        assert facts["sentence"] == "No record of this backup is another one in the last that came."
        with pytest.raises(ApplianceError, match="removed and changed"):
            client.open_backup("by-hand", old, "me", only="everything")


def test_before_an_old_one_is_loaded_it_is_said_what_that_would_lose(office):
    inbox = office.inbox()
    office.disk()
    for rows, changed in ((3000, ()), (3014, range(3)), (3013, range(3))):
        put(inbox, "Contacts.csv", contacts(rows, changed=changed))
        office.ok("run")
    with serving(office) as (_, client):
        newest, middle, oldest = client.backups("by-hand")["backups"]
    assert (newest["newer"], middle["newer"], oldest["newer"]) == (0, 1, 2)
    assert middle["since"] == {"contacts": {"added": 0, "changed": 0, "removed": 1}}
    assert oldest["since"] == {"contacts": {"added": 14, "changed": 3, "removed": 1}}
    ledger = SqliteLedger(office.state / "ledger.sqlite")
    ledger.drop_copies("disk-a", [middle["name"]])  # as retention does
    with serving(office) as (_, client):
        _, still = client.backups("by-hand")["backups"]
    assert (still["name"], still["since"]) == (oldest["name"], oldest["since"])
    ledger.note(memory.key("became", middle["name"]), "")  # as an older release left it
    ledger.close()
    with serving(office) as (_, client):
        assert client.backups("by-hand")["backups"][1]["since"] is None
