"""The worker's socket, asked by the client and by strangers."""

import socket as sockets
import threading

import pytest

from appliance.core.errors import ApplianceError
from appliance.core.model import Trigger
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
