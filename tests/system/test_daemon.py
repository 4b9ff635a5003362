"""The daemon's life as systemd sees it: it starts, is asked, is told to stop, is killed."""

import contextlib
import re
import signal
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest

from appliance import daemon
from appliance.box import Box
from appliance.config import load
from appliance.core.errors import ApplianceError
from appliance.core.model import Outcome, Trigger
from appliance.status import health_of
from appliance.system.clock import SystemClock
from appliance.system.ledger import SqliteLedger
from appliance.system.socket import Client
from tests.fakes import FakeClock
from tests.system import processes
from tests.system.office import contacts, put

pytestmark = pytest.mark.slow


@pytest.fixture
def inbox(office):
    """One source, one disk and an export that is waiting."""
    folder = office.inbox()
    office.disk()
    put(folder, "a.csv", contacts(300))
    return folder


@contextlib.contextmanager
def serving(office):
    """A daemon that answers; its log goes to a file that `log` reads."""
    client = Client(office.state / "worker.sock")
    with (office.folder / "daemon.log").open("a") as file:
        pipes = {"stdout": file, "stderr": subprocess.STDOUT}
        with office.started("daemon", env=processes.marked(office.folder), **pipes) as process:
            there = processes.until(lambda: process.poll() is not None or client.is_there(), 60)
            assert there, log(office)
            assert process.poll() is None, log(office)
            yield process, client
    assert processes.left_over(office.folder) == {}


def log(office):
    return (office.folder / "daemon.log").read_text()


def running(client):
    return (client.status()["running"] or {}).get("job")


def test_it_starts_answers_idles_small_and_ends_in_seconds(office):
    office.inbox()
    office.disk()
    with serving(office) as (process, client):
        assert client.status()["running"] is None
        status = Path("/proc", str(process.pid), "status").read_text()
        print("idle RSS", re.search(r"VmRSS:\s+(\d+ kB)", status)[1])
        assert (office.state / "worker.sock").stat().st_mode & 0o777 == 0o660
        process.terminate()
        assert process.wait(5) == 0
    assert not (office.state / "worker.sock").exists()
    assert "daemon=ready" in log(office)
    assert "daemon=stopped failed=False" in log(office)
    assert "Traceback" not in log(office)


def test_run_is_done_by_the_daemon_and_followed_to_its_end(slow_office):
    office = slow_office
    with serving(office) as (_, client):
        client.start("crm", Trigger.COMMAND)
        assert processes.until(lambda: running(client) == "crm", 30)
        put(office.folder / "by-hand", "a.csv", contacts(300))  # seen by itself, and waits its turn
        with office.started("run", "by-hand") as asked:
            said = asked.stdout.readline()
            client.cancel("crm")
            said += asked.communicate(timeout=60)[0]
        (again,) = office.json("run", "by-hand")
        waiting = client.status()["waiting"]

    assert re.match("by-hand: (queued|already waiting)", said), said
    assert "✓ storing it (disk-a)" in said
    assert "✓ by-hand: done in" in said
    assert again["outcome"] == "skipped"
    assert waiting == []
    assert re.search(r"run=\d+ source=by-hand outcome=ok", log(office))


def test_F8_the_same_asked_twice_is_one_run(slow_office):
    office = slow_office
    with serving(office) as (_, client):
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(office.started("run", "crm"))
            assert processes.until(lambda: running(client) == "crm", 30)
            assert client.start("by-hand", Trigger.COMMAND) == "queued"
            assert client.start("by-hand", Trigger.PAGE) == "already waiting"
            second = stack.enter_context(office.started("run", "crm"))
            assert second.stdout.readline().startswith("crm: already running (Ctrl-C stops looking")
            assert "crm" in office.ok("status", code=3)
            assert office.ok("cancel", "by-hand") == "It is being stopped.\n"
            assert client.status()["waiting"] == []
            assert office.ok("cancel", "crm") == "It is being stopped.\n"
            said = [each.communicate(timeout=60)[0] for each in (first, second)]
            assert [first.returncode, second.returncode] == [1, 1]
        assert all("- crm: stopped on request." in each for each in said), said
        assert office.ok("cancel", "crm") == "There is nothing to cancel for crm.\n"
    ended = {run["source"]: run["outcome"] for run in office.json("history", "backup:")}
    assert ended == {"crm": "cancelled", "by-hand": "cancelled"}


@pytest.fixture
def slow_office(office):
    """A source whose file must hold still for a minute, and one that waits for its turn."""
    (office.inbox("crm", stable_for="60s") / "a.csv").write_bytes(contacts(300))
    office.inbox()
    office.disk()
    return office


def test_F12_stopped_in_the_middle_of_a_run_it_begins_it_anew(office, inbox):
    with serving(office) as (process, client):
        client.start("by-hand", Trigger.COMMAND)
        assert processes.until(lambda: running(client), 30)
        process.terminate()
        assert process.wait(15) == 0
    (cut,) = office.json("history", "backup:")
    assert cut["outcome"] == "cancelled"

    with serving(office) as (_, client):
        assert processes.until(lambda: len(office.json("history", "backup:")) >= 2, 30)
        assert processes.until(lambda: not running(client), 60)
    *_, again, cut = office.json("history", "backup:")
    assert cut["outcome"] == "cancelled"
    assert again["outcome"] in {"ok", "skipped"}, "skipped: it was cut off after it was kept"
    assert again["trigger"] in {"catch-up", "inbox"}
    assert len(office.json("archives")) == 1


def test_killed_in_the_middle_of_a_run_it_begins_it_anew(office, inbox):
    over = {"ok", "skipped"}  # skipped: it was cut off after it was kept
    with serving(office) as (process, client):
        client.start("by-hand", Trigger.COMMAND)
        assert processes.until(lambda: office.json("history", "backup:"), 30)
        process.kill()
        process.wait(5)
    assert (office.state / "worker.sock").exists(), "the socket is left over"
    assert "Traceback" not in office.call("status").stderr, "and nobody minds"

    with serving(office) as (_, client):
        assert processes.until(lambda: office.json("history", "backup:")[0]["outcome"] in over, 60)
    assert office.json("history", "backup:")[-1]["outcome"] == "interrupted"
    assert len(office.json("archives")) == 1


def test_F8_there_is_one_worker_on_a_box(office, inbox):
    with serving(office):
        second = office.call("daemon")
    assert second.returncode == 1
    assert second.stderr.startswith("✗ Another backup program is at work on this box.\n")
    with daemon.only_worker(Box(load(office.config))):
        run = office.call("run")
    assert run.returncode == 1
    assert run.stderr.startswith("✗ Another backup program is at work on this box.\n")


def test_a_drill_is_asked_of_the_daemon_followed_and_cancelled_like_a_backup(office, inbox):
    with serving(office):
        office.ok("run")
        said = office.ok("drill")
        (run,) = office.json("drill")
        idle = office.ok("cancel", "drill:disk-a")
        unknown = office.call("cancel", "drill:disk-aa")
    assert "drill:disk-a: queued" in said
    assert "1 backups restored from disk-a: 1 files equal" in said
    assert (run["source"], run["outcome"]) == ("drill:disk-a", "ok")
    assert idle == "There is nothing to cancel for drill:disk-a.\n"
    assert (unknown.returncode, 'did you mean "disk-a"?' in unknown.stderr) == (2, True)


def test_the_first_disk_is_drilled_monthly_and_each_cloud_quarterly(office, inbox):
    """Asked of the daemon's own engine: what is due at noon, in the office's time."""
    office.disk("disk-b")
    cloud = office.folder / "cloud"
    cloud.mkdir()
    office.add("[[mirror]]", name="cloud", repository="disk-a", remote=cloud)
    engine = daemon.start_up(box := Box(load(office.config)))
    due = {
        job: slot.due.astimezone(box.zone).strftime("%m-%d %H:%M")
        for job, schedule in engine.ticker._schedules.items()
        if job.startswith("drill:")
        and (slot := schedule.next(box.zone, datetime(2026, 11, 21, tzinfo=UTC)))
    }
    assert due == {"drill:disk-a": "12-01 12:00", "drill:cloud": "01-02 12:00"}
    assert {"drill:disk-a", "drill:disk-b", "drill:cloud"} < set(engine.jobs)
    box.ledger.close()


class SetClock(SystemClock):
    """A clock that somebody set, as on any machine with a network."""

    def is_synchronised(self):
        return True


def test_what_is_due_is_done_once_for_each_slot(office, inbox):
    """The daemon's own engine and real doers; only the hours between two slots are skipped."""
    box = Box(load(office.config))
    box.clock = SetClock()
    engine = daemon.start_up(box)
    now = box.clock.now()

    engine.ticker.tick(now)
    assert not engine.runner.work_one(), "what nobody missed yet is not due"
    for _ in range(3):
        engine.ticker.tick(now + timedelta(days=1))
        engine.runner.work_one()
    engine.ticker.tick(now + timedelta(days=4))
    engine.runner.work_one()

    runs = box.ledger.runs("by-hand", 10)
    by_schedule = [run for run in runs if run.trigger is Trigger.SCHEDULE and run.steps]
    assert [run.outcome for run in by_schedule] == [Outcome.SKIPPED, Outcome.OK]
    assert len(runs) == 2
    assert len(box.ledger.slots("by-hand")) == 4, "two went by and are recorded"
    box.ledger.close()


def test_F13_a_daemon_that_is_not_there_is_not_green_for_long(office, inbox):
    """Silence is no good news: a month later, with a clock that is right, it has grown old."""
    with serving(office):
        office.ok("run")
    clock = [FakeClock(datetime.now(UTC) + timedelta(days=days)) for days in (0, 31)]
    ledger = SqliteLedger(office.state / "ledger.sqlite")
    states = [health_of(load(office.config), ledger, each)["state"] for each in clock]
    ledger.close()
    assert states == ["safe", "getting old"]


def test_a_mirror_on_its_own_schedule_waits_for_it(office, inbox):
    (cloud := office.folder / "cloud").mkdir()
    more = {"repository": "disk-a", "remote": cloud, "schedule": "daily at 04:00"}
    office.add("[[mirror]]", name="cloud", **more)
    (run,) = office.json("run")
    assert {step["name"] for step in run["steps"]}.isdisjoint({"mirror"})
    assert list(cloud.iterdir()) == []
    engine = daemon.start_up(box := Box(load(office.config)))
    box.ledger.note("first-seen:mirror:cloud", (datetime.now(UTC) - timedelta(days=2)).isoformat())
    engine.ticker._begun -= 3600  # it would wait some minutes for the clock to be set
    engine.ticker.tick(datetime.now(UTC))
    while engine.runner.work_one():
        pass
    (pushed,) = [each for each in box.ledger.runs("mirror:cloud", 10) if each.steps]
    assert (pushed.outcome, pushed.trigger) == (Outcome.OK, Trigger.SCHEDULE)
    assert any((path / "config").exists() for path in cloud.iterdir())
    box.ledger.close()


def test_a_signal_before_it_is_ready_ends_it(office, inbox):
    with office.started("daemon") as process:
        assert processes.until(lambda: process.poll() is None)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert "Traceback" not in out + err


def test_F9_a_disk_that_is_away_is_looked_for_again_and_still_asked_for(office, inbox):
    (office.folder / "disk-a").rename(office.folder / "away")
    engine = daemon.start_up(box := Box(load(office.config)))
    engine.runner.submit("by-hand", Trigger.SCHEDULE)
    engine.runner.work_one()
    status = engine.status()
    assert status["waiting"] == ["by-hand"]
    assert status["state"] == "look"
    assert "Plug the disk in" in str(status["todo"])
    box.ledger.close()


def test_what_is_cancelled_is_named_as_it_is_shown(office, inbox):
    (cloud := office.folder / "cloud").mkdir()
    office.add("[[mirror]]", name="cloud", repository="disk-a", remote=cloud)
    for job in ("by-hand", "mirror:cloud", "drill:cloud", "drill:disk-a"):
        asked = office.call("cancel", job)
        assert (asked.returncode, "The worker is not running." in asked.stderr) == (1, True), job
    for job in ("mirror:clout", "drill:disk-b", "restore:by-hand", ":", "mirror:"):
        asked = office.call("cancel", job)
        assert (asked.returncode, "Traceback" in asked.stderr) == (2, False), (job, asked)


def test_a_changed_configuration_is_taken_over_without_a_restart(office, inbox):
    with serving(office) as (process, client):
        seen = client.status()["version"]
        office.inbox("second")
        assert client.reload() in {"now", "after what runs"}
        assert processes.until(lambda: sources_of(client) == ["by-hand", "second"], 30)
        assert process.poll() is None
        assert client.follow(seen + 1000, 0.0)["state"]
        assert office.json("run", "second")[0]["outcome"] == "skipped"


def test_a_broken_configuration_is_refused_and_the_old_one_goes_on(office, inbox):
    with serving(office) as (process, client):
        office.config.write_text(office.config.read_text() + "\n[appliances]\n")
        with pytest.raises(ApplianceError, match="appliances"):
            client.reload()
        process.send_signal(signal.SIGHUP)
        assert processes.until(lambda: "configuration=refused" in log(office), 30)
        assert sources_of(client) == ["by-hand"]


def test_a_moved_state_folder_waits_for_a_restart_and_says_so(office, inbox):
    with serving(office) as (_, client):
        moved = office.config.read_text().replace(str(office.state), str(office.folder / "moved"))
        office.config.write_text(moved)
        with pytest.raises(ApplianceError, match="another folder until it is started anew"):
            client.reload()
        assert sources_of(client) == ["by-hand"]
    assert not (office.folder / "moved").exists()


def test_activity_one_run_and_the_trail_are_asked_at_the_socket(office, inbox):
    with serving(office) as (_, client):
        client.note("sign-in", "A wrong password.", went_well=False)
        (act,) = client.activity("person:", "warning")["runs"]
        assert (act["source"], act["message"]) == ("page:sign-in", "A wrong password.")
        client.start("by-hand", Trigger.PAGE)
        assert processes.until(lambda: client.activity("by-hand", "ok")["runs"], 60)
        found = client.activity("backup:")
        assert found["timezone"] == "Europe/Berlin"
        (run,) = found["runs"]
        told = client.run(run["id"])
        assert [step["name"] for step in told["run"]["steps"]][:2] == ["pull", "unpack"]
        assert told["progress"] is None
        with pytest.raises(ApplianceError, match="no such entry"):
            client.run(10**30)
        with pytest.raises(ApplianceError, match="not understood"):
            client.activity("", "splendid")
        assert client.audit() == {"trail": ""}
    said = office.ok("history", "person:")
    assert "Sign-in" in said
    assert "did not go through: A wrong password." in said
    assert "Disk made a backup disk" in said
    assert "Sign-in" not in office.ok("history", "--outcome", "ok")
    assert office.ok("history", "drill:") == "Nothing of that kind yet.\n"
    assert f"audit={act['id']} what=sign-in sha256=" in log(office)


def test_E18_a_line_taken_out_of_the_file_is_said_by_the_worker(office, inbox):
    with SqliteLedger(office.state / "ledger.sqlite")._transaction() as db:
        db.execute("DELETE FROM audit WHERE run = 1")
        db.execute("DELETE FROM run WHERE id = 1")

    def trail(client):
        return next(each for each in client.status()["vitals"] if each["name"] == "trail")

    with serving(office) as (_, client):
        assert processes.until(lambda: trail(client)["state"] == "look", 30)
        assert "that people did" in client.activity()["trail"]
        assert "that people did" in client.audit()["trail"]
    assert "that people did is missing" in office.call("status").stdout + log(office)


def sources_of(client):
    return [one["source"] for one in client.status()["sources"]]


def test_D14_systemd_hears_that_it_is_ready_lives_and_stops_but_not_of_a_new_configuration(
    office, inbox, monkeypatch
):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(office.folder / "notify"))
        systemd.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())
        monkeypatch.setenv("WATCHDOG_USEC", "120000000")
        with serving(office) as (process, client):
            assert heard(systemd).startswith("READY=1\nSTATUS=")
            assert heard(systemd) == "WATCHDOG=1"
            assert client.reload() in {"now", "after what runs"}
            said = [heard(systemd)]
            while not said[-1].startswith("READY=1"):
                said.append(heard(systemd))
            assert set(said[:-1]) <= {"WATCHDOG=1"}
            process.terminate()
            while (word := heard(systemd)) == "WATCHDOG=1":
                pass
            assert word == "STOPPING=1"


def heard(systemd):
    return systemd.recv(4096).decode()


def test_what_is_dropped_into_the_inbox_is_backed_up_within_seconds_of_being_whole(office):
    folder = office.inbox()
    office.disk()
    with serving(office) as (_, client):
        with (folder / "a.csv").open("wb") as growing:
            growing.write(contacts(300))
            growing.flush()
            assert not processes.until(lambda: running(client), 4), "it is not whole yet"
        assert processes.until(lambda: running(client) or office.json("history", "backup:"), 5)
        assert processes.until(lambda: office.json("history", "backup:")[0]["outcome"] == "ok", 60)
    assert office.json("history", "backup:")[0]["trigger"] == "inbox"
    assert (folder / "done" / "a.csv").exists()


def test_who_follows_hears_of_a_new_configuration_at_once(office, inbox):
    """As the panel does: it asks again and again, and waits long for each answer."""
    with serving(office) as (_, client):
        facts = client.status()
        office.inbox("second")
        begun = monotonic()
        client.reload()
        while len(facts["sources"]) == 1 and monotonic() - begun < FOLLOWED_SECONDS:
            facts = client.follow(facts["version"], FOLLOWED_SECONDS)
        assert monotonic() - begun < FOLLOWED_SECONDS - 10, "it did not wait in vain"
        assert [each["source"] for each in facts["sources"]] == ["by-hand", "second"]


FOLLOWED_SECONDS = 45.0


def test_what_became_of_a_pairing_is_shown_though_the_configuration_is_another_one(office, inbox):
    """Root's unit first has the new configuration read, then says that the disk is ready."""
    with serving(office) as (_, client):
        office.inbox("second")
        client.reload()
        assert processes.until(lambda: len(sources_of(client)) == 2, 30)
        say_paired(office)
        assert processes.until(lambda: client.status()["pairing"], 30)
        assert client.status()["pairing"] == {"question": "", "answer": "disk-b is ready."}
        office.inbox("third")
        client.reload()
        assert processes.until(lambda: len(sources_of(client)) == 3, 30)
        assert client.status()["pairing"] == {"question": "", "answer": "disk-b is ready."}


def test_a_pairing_after_which_the_file_is_wrong_does_not_end_the_daemon(office, inbox):
    with serving(office) as (process, client):
        office.config.write_text(office.config.read_text() + "\n[appliances]\n")
        say_paired(office)
        assert processes.until(lambda: "configuration=refused" in log(office), 30)
        assert processes.until(lambda: client.status()["pairing"], 30)
        assert client.status()["pairing"]["answer"] == "disk-b is ready."
        assert process.poll() is None


def say_paired(office):
    new = office.state / "new"
    new.write_text('{"ok": true, "sentence": "disk-b is ready."}')
    new.rename(office.state / "pair-result.json")


def test_the_vitals_are_in_the_status_and_in_words_where_somebody_asks(office, inbox):
    with serving(office) as (_, client):
        names = {each["name"] for each in client.status()["vitals"]}
        assert {"power", "temperature", "clock", "memory", "system disk"} <= names
        everything = office.call("status", "--all").stdout
        assert "memory" in everything
        assert len(everything.splitlines()) > len(office.call("status").stdout.splitlines())
