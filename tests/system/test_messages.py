"""Messages of a whole box: a real daemon, real servers on loopback, and sudden ends."""

import re
import sys
import threading
from contextlib import ExitStack, contextmanager

import pytest

from tests.messaging.servers import PASSWORD, hook, mail
from tests.servers import free_port
from tests.system import processes
from tests.system.office import contacts, put
from tests.system.test_daemon import log, serving

pytestmark = pytest.mark.slow

NOW = """
import sys
from datetime import timedelta
from appliance import messenger
from appliance.core import outbox
messenger.PATIENCE = timedelta()  # where this machine's clock is not set, nobody waits for it
# Minutes, made seconds.
messenger.EVERY, messenger._TURN_SECONDS = timedelta(seconds=1), 0.5
outbox.PAUSES = (timedelta(seconds=1),) * len(outbox.PAUSES)
from appliance.cli import main
main(prog_name="appliance")
"""


@pytest.fixture
def servers():
    with mail() as mails, hook() as hooks:
        yield mails, hooks


@pytest.fixture
def office(office, servers, monkeypatch):
    """An office with a source, a disk, an address for mail and a web hook."""
    mails, hooks = servers
    monkeypatch.setattr(
        type(office),
        "argv",
        lambda self, *words: [
            sys.executable,
            "-c",
            NOW,
            "--config",
            str(self.config),
            *map(str, words),
        ],
    )
    office.folder_in = office.inbox()
    office.disk()
    to = [office.secret("mail", mails.address()), office.secret("hook", hooks.address)]
    office.add("[messages]", to=to)
    return office


def hold(office):
    """Nearly everybody is gone from the export of today."""
    put(office.folder_in, "contacts.csv", contacts(415))
    office.ok("run")
    put(office.folder_in, "contacts.csv", contacts(3))
    assert office.call("run").returncode in {0, 3}, (
        "0: the daemon saw it by itself, and was quicker"
    )
    assert len(office.json("history", "--outcome", "held")) == 1


def everything_written(office):
    files = [path for path in office.state.rglob("*") if path.is_file()]
    own = [path for path in files if path.parent.name != "secrets"]
    return b"".join(path.read_bytes() for path in own) + log(office).encode()


def test_a_mass_deletion_reaches_both_addresses_and_no_secret_is_left_anywhere(office, servers):
    mails, hooks = servers
    with serving(office):
        hold(office)
        assert processes.until(lambda: mails.got and hooks.got, 60), log(office)
        assert processes.until(lambda: "got out" in office.ok("status", code=3), 30)
        shown = office.ok("message") + office.ok("status", "--json", code=3)
    (told,) = hooks.got
    assert told["title"] == "Office: please look: an export looks wrong (by-hand)"
    assert "412 contacts that were here" in told["message"]
    assert "Müller" not in told["message"] + mails.got[0]
    assert len(mails.got) == 1
    assert "mail to b…s@shop.example: last message taken" in shown
    assert PASSWORD not in shown
    assert PASSWORD.encode() not in everything_written(office)
    assert b"boss@" not in everything_written(office)


def test_a_test_takes_the_real_way_with_and_without_a_daemon(office, servers):
    mails, hooks = servers
    said = office.ok("message", "--test")
    assert re.search("mail to b…s@shop.example: taken", said)
    with serving(office):
        told = office.json("message", "--test")
        assert [each["taken"] for each in told] == [True, True]
        mails.refuses, hooks.answer = True, 401
        said = office.ok("message", "--test", code=1)
    assert "mail to b…s@shop.example: the message was not taken." in said
    assert "a web hook to 127.0.0.1: the server refuses the login." in said
    assert (len(mails.got), len(hooks.got)) == (2, 2)


def test_a_server_that_is_away_gets_it_when_it_is_back_and_nothing_waits_for_it(office):
    port = free_port()
    office.secret("mail", f"json://127.0.0.1:{port}/hook")
    with serving(office):
        hold(office)  # no Run is failed or held up by it
        assert processes.until(lambda: "1 message waiting" in office.ok("message"), 60)
    with hook(port) as back, serving(office):
        office.ok("message")
        assert processes.until(lambda: back.got, 120), log(office)
        assert len(back.got) == 1


@contextmanager
def open_in_the_end(gate):
    try:
        yield
    finally:
        gate.set()


def test_killed_while_a_letter_is_on_its_way_it_is_sent_once_more_and_not_again(office, servers):
    mails, hooks = servers
    gate, taken = threading.Event(), threading.Event()
    took = hooks.got.append

    class Slow(list):
        def append(self, each):
            took(each)
            taken.set()
            gate.wait(60)

    first, hooks.got = hooks.got, Slow()
    with ExitStack() as stack:
        stack.enter_context(open_in_the_end(gate))
        process, _ = stack.enter_context(serving(office))
        hold(office)
        assert taken.wait(60), log(office)
        process.kill()
        process.wait(20)
    hooks.got = first
    with serving(office):
        assert processes.until(lambda: len(hooks.got) == 2, 150), log(office)
        assert processes.until(lambda: "waiting" not in office.ok("message"), 30)
    assert len(hooks.got) == 2
    assert len(mails.got) == 1
