"""The worker's socket, asked by the client and by strangers."""

import socket as sockets

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
