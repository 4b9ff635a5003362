"""The worker's socket, asked by the client and by strangers."""

import os
import pwd
import socket as sockets
import threading

import pytest

from appliance.core.errors import ApplianceError
from appliance.core.model import Trigger
from appliance.core.ports import Download
from appliance.system import socket


class Box:
    def __init__(self):
        self.asked = []

    def status(self):
        return {"state": "safe"}

    def start(self, source, trigger):
        if source == "unknown":
            raise ApplianceError("There is no source unknown.", hint="Look at the list.")
        self.asked.append((source, trigger))
        return "queued"

    def cancel(self, source):
        return source == "crm"

    def days(self, count):
        return [{"date": f"day {each}"} for each in range(count)]


@pytest.fixture
def box(tmp_path):
    box = Box()
    server = socket.Server(tmp_path / "worker.sock", box)
    yield box
    server.close()


@pytest.fixture
def client(box, tmp_path):
    return socket.Client(tmp_path / "worker.sock")


def test_questions_reach_the_engine_and_answers_come_back(box, client):
    assert client.status() == {"state": "safe"}
    assert client.start("crm", Trigger.BUTTON) == "queued"
    assert client.cancel("crm") is True
    assert client.cancel("other") is False
    assert box.asked == [("crm", Trigger.BUTTON)]


def test_days_come_back_as_a_list(client):
    assert client.days(2) == [{"date": "day 0"}, {"date": "day 1"}]


def test_the_data_protection_sheet_comes_through(box, client):
    box.data_protection = lambda: {"title": "Data protection"}
    assert client.data_protection() == {"title": "Data protection"}


def test_an_error_arrives_with_its_hint(client):
    with pytest.raises(ApplianceError, match="no source unknown") as caught:
        client.start("unknown", Trigger.PAGE)

    assert caught.value.hint == "Look at the list."


def test_nobody_listening_is_a_sentence(tmp_path):
    client = socket.Client(tmp_path / "nobody.sock")

    assert not client.is_there()
    with pytest.raises(socket.WorkerAbsent, match="not running"):
        client.status()


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"{}\n", b"[]\n", b"null\n", b"\xff\xfe\n", b'{"do": "rm"}\n', b"x" * 200_000],
)
def test_nonsense_is_answered_and_harms_nothing(line, box, client, tmp_path):
    with sockets.socket(sockets.AF_UNIX) as stranger:
        stranger.connect(str(tmp_path / "worker.sock"))
        try:
            stranger.sendall(line)
            stranger.shutdown(sockets.SHUT_WR)
            answer = stranger.makefile("rb").readline()
        except OSError:
            answer = b'"error"'  # cut off in the middle of too long a line

    assert b'"error"' in answer
    assert client.status() == {"state": "safe"}


def test_the_socket_is_not_for_everybody(box, tmp_path):
    assert (tmp_path / "worker.sock").stat().st_mode & 0o007 == 0


class Awaited(Box):
    """An appliance that has news when it is told to."""

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.asked_for, self.news = threading.Event(), threading.Event()

    def status(self):
        return {"state": self.name}

    def follow(self, version, seconds, panel=None):
        self.asked_for.set()
        assert self.news.wait(seconds)
        return self.status()


def test_who_waits_through_a_change_of_appliances_hears_the_new_one(tmp_path):
    old, new = Awaited("old"), Awaited("new")
    server = socket.Server(tmp_path / "worker.sock", old)
    client = socket.Client(tmp_path / "worker.sock")
    heard = []
    waiting = threading.Thread(target=lambda: heard.append(client.follow(1, 30.0)))
    waiting.start()
    assert old.asked_for.wait(10)
    server.serve_for(new)
    assert client.status() == {"state": "new"}
    old.news.set()
    waiting.join(10)
    server.close()
    assert heard == [{"state": "new"}]


def test_who_asks_and_dies_leaves_no_trace_in_the_log(tmp_path, capfd):
    patient = Awaited("patient")
    server = socket.Server(tmp_path / "worker.sock", patient)
    with sockets.socket(sockets.AF_UNIX) as stranger:
        stranger.connect(str(tmp_path / "worker.sock"))
        stranger.sendall(b'{"do": "follow", "version": 1, "seconds": 30}\n')
        assert patient.asked_for.wait(10)
    before = set(threading.enumerate())
    patient.news.set()
    _ended(before)
    server.close()
    assert capfd.readouterr().err == ""


def test_who_connects_and_says_nothing_is_let_go_quietly(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(socket._Handler, "timeout", 0.1)
    server = socket.Server(tmp_path / "worker.sock", Box())
    with sockets.socket(sockets.AF_UNIX) as stranger:
        stranger.settimeout(10)
        stranger.connect(str(tmp_path / "worker.sock"))
        assert stranger.recv(1) == b""
    server.close()
    assert capfd.readouterr().err == ""


def _ended(threads):
    """Wait for those who answer; the one that listens goes on."""
    for thread in threads:
        if "process_request_thread" in thread.name:
            thread.join(10)
            assert not thread.is_alive()


class Giver(Box):
    """An appliance that gives something to take home."""

    def __init__(self, *blocks, error=None):
        super().__init__()
        self.blocks, self.error, self.let_go = blocks, error, threading.Event()

    def download(self, ticket, what, file, place, text):
        return Download("a.csv", self._chunks(), 12)

    def _chunks(self):
        try:
            yield from self.blocks
            if self.error:
                raise self.error
        finally:
            self.let_go.set()


def taken(tmp_path, box):
    server = socket.Server(tmp_path / "worker.sock", box)
    try:
        download = socket.Client(tmp_path / "worker.sock").download("t", "file")
        assert (download.name, download.size_bytes) == ("a.csv", 12)
        return b"".join(download.chunks)
    finally:
        server.close()


def test_a_download_comes_in_blocks_and_says_that_it_is_whole(tmp_path):
    assert taken(tmp_path, Giver(b"first,", bytes(300_000), b"last")) == (
        b"first," + bytes(300_000) + b"last"
    )
    assert taken(tmp_path, Giver()) == b""


@pytest.mark.parametrize(
    ("error", "words"), [(ApplianceError("It is damaged."), "damaged"), (OSError(5), "not whole")]
)
def test_what_breaks_off_at_the_worker_is_told_at_the_end(tmp_path, error, words):
    with pytest.raises(ApplianceError, match=words):
        taken(tmp_path, Giver(b"first,", error=error))


def test_a_download_that_is_refused_is_an_error_before_its_first_byte(tmp_path):
    class Refuser(Box):
        def download(self, *_):
            raise ApplianceError("There is no such file.", hint="Look again.")

    with pytest.raises(ApplianceError, match="no such file"):
        taken(tmp_path, Refuser())


def test_who_hangs_up_in_the_middle_has_the_worker_stop(tmp_path):
    box = Giver(*[bytes(60_000)] * 1000)
    server = socket.Server(tmp_path / "worker.sock", box)
    download = socket.Client(tmp_path / "worker.sock").download("t", "all")
    next(download.chunks)
    download.chunks.close()
    assert box.let_go.wait(10)
    server.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b'{"answer": {}}\n',
        HEAD := b'{"answer": {"name": "a", "size_bytes": 3}}\n',
        HEAD + b"\0\0",
        HEAD + b"\0\0\0\3ab",
        HEAD + b"\0\0\0\3abc",
        HEAD + b"\0\0\0\3abc\0\0\0\0",
        HEAD + b"\0\0\0\3abc\0\0\0\0{",
        HEAD + b"\xff\xff\xff\xffabc",
    ],
)
def test_a_cut_anywhere_is_never_taken_for_whole(tmp_path, sent):
    with sockets.socket(sockets.AF_UNIX) as liar:
        liar.bind(str(tmp_path / "worker.sock"))
        liar.listen()

        def answer():
            asker, _ = liar.accept()
            with asker:
                asker.recv(1000)
                asker.sendall(sent)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(socket.WorkerAbsent):
            b"".join(socket.Client(tmp_path / "worker.sock").download("t", "file").chunks)
        thread.join(10)


def test_E12_the_panel_may_press_and_look_and_nothing_else(tmp_path, monkeypatch):
    class Asked(Box):
        def settings(self):
            return {"all": "of it"}

    server = socket.Server(tmp_path / "worker.sock", Asked())
    client = socket.Client(tmp_path / "worker.sock")
    try:
        assert client.settings() == {"all": "of it"}
        monkeypatch.setattr(socket, "_user_of", lambda _: "appliance-panel")
        assert client.start("crm", Trigger.BUTTON) == "queued"
        for forbidden in (client.settings, lambda: client.put_secret("x"), client.audit):
            with pytest.raises(ApplianceError, match="not understood"):
                forbidden()
    finally:
        server.close()


def test_E12_the_kernel_says_who_asks(tmp_path):
    ours, theirs = sockets.socketpair()
    with ours, theirs:
        assert socket._user_of(ours) == pwd.getpwuid(os.getuid()).pw_name
