"""The whole box: what a link in the inbox leads to is in the backup, and no word of the link is."""

from __future__ import annotations

import json
import signal
from contextlib import contextmanager

import pytest

from appliance.core.model import Trigger
from appliance.demo.authority import Authority
from tests.sources.stub import stub
from tests.sources.test_links import mail, shortcut
from tests.system import processes
from tests.system.office import contacts, zipped
from tests.system.test_daemon import log, serving

pytestmark = pytest.mark.slow
SECRET = "Signature=0123456789abcdef0123456789"
DATA = zipped({"Contacts_001.csv": contacts(300)})


@contextmanager
def vendor(office, play):
    """A server over TLS, and an inbox whose links may lead to it."""
    authority = Authority(office.folder / "ca")
    folder = office.inbox(
        link_hosts=["localhost"],
        ca_file=authority.certificate,
        links_last="7d",
        schedule="monthly on 1 at 03:00",
    )
    office.disk()
    with stub(play, authority) as server:
        yield folder, server


def kept(office):
    """Everything below the state folder, but for staging: what outlives a Run."""
    files = (each for each in office.state.rglob("*") if each.is_file())
    return b"".join(each.read_bytes() for each in files)


def ended(client, outcome):
    return lambda: client.status()["sources"][0]["last_outcome"] == outcome


def test_a_mailed_notice_that_is_dropped_in_becomes_a_backup(office, tmp_path):
    def play(request):
        request.answer(200, DATA, Content_Disposition='attachment; filename="Data_001.zip"')

    with vendor(office, play) as (folder, server), serving(office) as (_, client):
        link = server.url(f"/export?id=1&{SECRET}")
        (folder / "notice.eml").write_bytes(mail(html=f'<a href="{link}">Download</a>'))
        assert processes.until(ended(client, "ok"), 60), log(office)
        assert processes.until(lambda: not (folder / "notice.eml").exists(), 30)
        assert client.status()["sources"][0]["offers"] == []
    office.ok("restore", "by-hand", "--original", "--to", tmp_path / "back")
    (back,) = (each for each in (tmp_path / "back").rglob("*") if each.is_file())
    assert (back.name, back.read_bytes()) == ("Data_001.zip", DATA)
    assert (folder / "done" / "notice.eml").is_file()
    assert SECRET.encode() not in kept(office)
    assert SECRET not in log(office)
    assert SECRET not in office.ok("history", "--json")


def test_a_dead_link_stays_and_is_told_and_the_next_one_is_fetched(office):
    pages = {"/old": 404, "/new.zip": DATA}

    def play(request):
        said = pages[request.path.partition("?")[0]]
        request.answer(said) if isinstance(said, int) else request.answer(200, said)

    with vendor(office, play) as (folder, server):
        (folder / "old.url").write_bytes(shortcut(server.url(f"/old?{SECRET}")))
        (run,) = office.json("run", "by-hand", code=1)
        assert run["message"] == "The link in old.url has died; ask for a new export."
        assert SECRET not in str(run)
        status = office.json("status", code=3)
        assert status["sources"][0]["reasons"] == ["export"]
        (run,) = fetched(office, server.url(f"/new.zip?{SECRET}"))
        assert (run["outcome"], run["archive"] != "") == ("warning", True)
        assert (folder / "old.url").is_file()
        assert office.call("fetch", "by-hand", input="https://evil.example/x").returncode == 1
        assert SECRET.encode() not in kept(office)


def fetched(office, link):
    """What `appliance fetch` says, given a link on its standard input."""
    done = office.call("fetch", "by-hand", "--json", input=f"{link}\n")
    assert SECRET not in done.stdout + done.stderr
    return json.loads(done.stdout)


def test_killed_in_the_middle_the_link_is_fetched_after_the_next_start(office):
    asked = []

    def play(request):
        asked.append(request.path)
        if len(asked) > 1:
            request.answer(200, DATA)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(DATA)))
        request.end_headers()
        request.wfile.write(DATA[:1000])
        request.wfile.flush()
        daemon.send_signal(signal.SIGKILL)
        daemon.wait(30)

    with vendor(office, play) as (folder, server):
        with serving(office) as (daemon, client):
            client.fetch_link("by-hand", server.url(f"/a.zip?{SECRET}"), Trigger.PAGE)
            daemon.wait(60)
        assert [each.suffix for each in folder.iterdir() if each.is_file()] == [".url"]
        assert SECRET.encode() not in kept(office)
        with serving(office) as (_, client):
            assert processes.until(ended(client, "ok"), 60), log(office)
            assert processes.until(lambda: not list(folder.glob("*.url")), 30)
        assert len(list((folder / "done").glob("link-*.url"))) == 1
