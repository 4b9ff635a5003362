"""The demo's page: served for real, with a password of its own, and lamps that follow the pins."""

from __future__ import annotations

import ssl
import urllib.request
from urllib.error import HTTPError

import pytest

from appliance.core.model import Trigger
from appliance.core.signals import Lamp
from appliance.demo import page, panel
from appliance.demo.servers import free_port
from appliance.system.socket import Server
from appliance.web.people import People
from tests.system import processes
from tests.system.office import panel_config, section
from tests.system.worker import Worker


@pytest.fixture
def configuration(tmp_path):
    file = tmp_path / "appliance.toml"
    web = section("[web]", listen=f"127.0.0.1:{free_port()}")
    file.write_text(panel_config(tmp_path) + web)
    return file


@pytest.fixture
def worker(tmp_path, configuration):
    made = Worker()
    server = Server(tmp_path / "worker.sock", made)
    yield made
    server.close()


def answer_of(address):
    """The status of an answer; whose certificate it is does not matter here."""
    context = ssl._create_unverified_context()
    try:
        with urllib.request.urlopen(address, context=context, timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code
    except OSError:
        return None


def lit(board):
    """Which lamps are lit now."""
    state = {}
    for edge in board.edges(0.0)[1]:
        state[edge.lamp] = edge.lit
    return {lamp for lamp, is_lit in state.items() if is_lit}


def test_it_is_there_for_the_length_of_the_block_and_its_password_opens_it(
    configuration, worker, tmp_path
):
    with page.served(configuration, None) as shown:
        assert processes.until(lambda: answer_of(f"{shown.address}alive") == 200)
        folder = page.own_folder(configuration, {})
        assert People(folder).role_of(shown.password) is not None
        assert len(shown.password.split("-")) == 4
    assert answer_of(f"{shown.address}alive") is None


def test_its_lamps_are_the_real_panels_and_its_button_presses_the_real_one(configuration, worker):
    with panel.shown(configuration) as board:
        assert processes.until(lambda: lit(board) == {Lamp.OFFICE, Lamp.CLOUD}, 20)
        now, _ = board.edges(0.0)
        board.press(0.2)
        assert processes.until(lambda: ("start", "crm", Trigger.BUTTON) in worker.asked, 20)
        told = board.edges(now)[1]
        assert any(edge.lamp is Lamp.ATTENTION and edge.lit for edge in told), "it winked"


def test_there_is_one_finger(configuration, worker):
    with panel.shown(configuration) as board:
        assert processes.until(lambda: lit(board) == {Lamp.OFFICE, Lamp.CLOUD}, 20)
        board.press(4.2)
        assert processes.until(board._finger.locked)
        board.press(0.2)
        assert processes.until(lambda: worker.asked, 20)
        assert worker.asked == [("eject", None)]
