"""The page as installed: there after the start, by its own key, nobody's until it is claimed."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import urllib.parse
import urllib.request

import pytest

from tests.system import processes

pytestmark = [pytest.mark.vm, pytest.mark.slow]

_PORT = 8080
_BOX = f"10.0.2.15:{_PORT}"
"""Where the connection comes to; for another name it is not the box that is meant."""


class Visitor:
    """A browser that asks the guest's page from outside."""

    def __init__(self, guest):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        guest.wait_for("systemctl is-active -q appliance-web", 120)
        guest.forward(_PORT, self.port)
        trusting = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
        self._opener = urllib.request.build_opener(trusting, urllib.request.HTTPCookieProcessor())

    def get(self, path, **fields):
        """Return where that led to, and what is there; with fields it is sent."""
        data = urllib.parse.urlencode(fields).encode() if fields else None
        headers = {"Host": _BOX, "Origin": f"https://{_BOX}", "Referer": f"https://{_BOX}/"}
        asked = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", data, headers)
        with self._opener.open(asked) as answer:
            return urllib.parse.urlsplit(answer.url).path, answer.read().decode()


def test_the_page_answers_by_its_own_key_and_is_closed_until_it_is_claimed(guest):
    visitor = Visitor(guest)
    there = ("127.0.0.1", visitor.port)
    certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(there))
    shown = guest.run("appliance", "fingerprint").strip()
    assert hashlib.sha256(certificate).hexdigest().upper() == shown.replace(":", "").upper()[-64:]
    assert "not yours yet" in visitor.get("/")[1]
    assert "-" in guest.run("appliance", "web", "claim")


def test_E2_whoever_asks_and_holds_the_button_makes_the_box_theirs(office):
    visitor, stranger = Visitor(office.guest), Visitor(office.guest)
    token = re.search(r'name="csrf_token" value="([^"]+)"', visitor.get("/claim/")[1])[1]
    where, page = visitor.get("/claim/button", csrf_token=token)
    assert (where, "Hold the button" in page) == ("/claim/button", True)
    office.say_yes()
    assert processes.until(lambda: visitor.get("/claim/button")[0] == "/claim/password", 60)
    assert stranger.get("/claim/password")[0] == "/claim/"


def test_E12_whoever_takes_the_page_over_reads_no_backup_and_no_secret(guest):
    page = "nsenter -t $(systemctl show -P MainPID appliance-web) -m -S $(id -u appliance-web)"
    assert guest.holds(f"{page} ls /usr/ | grep -q .")
    for path in ("/var/lib/appliance", "/etc/appliance/credentials", "/mnt", "/srv"):
        assert not guest.holds(f"{page} ls {path}/ | grep -q ."), path
