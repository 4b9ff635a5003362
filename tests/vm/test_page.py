"""The page as installed: there after the start, by its own key, nobody's until it is claimed."""

from __future__ import annotations

import hashlib
import socket
import ssl
import urllib.request

import pytest

pytestmark = [pytest.mark.vm, pytest.mark.slow]

_PORT = 8080
_BOX = f"10.0.2.15:{_PORT}"
"""Where the connection comes to; for another name it is not the box that is meant."""


def test_the_page_answers_by_its_own_key_and_is_closed_until_it_is_claimed(guest):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    guest.wait_for("systemctl is-active -q appliance-web", 120)
    guest.forward(_PORT, port)
    certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))
    shown = guest.run("appliance", "fingerprint").strip()
    assert hashlib.sha256(certificate).hexdigest().upper() == shown.replace(":", "").upper()[-64:]
    trusting = ssl._create_unverified_context()
    asked = urllib.request.Request(f"https://127.0.0.1:{port}/", headers={"Host": _BOX})
    with urllib.request.urlopen(asked, context=trusting) as answer:
        assert "not yours yet" in answer.read().decode()
    assert "-" in guest.run("appliance", "web", "claim")


def test_E12_whoever_takes_the_page_over_reads_no_backup_and_no_secret(guest):
    page = "nsenter -t $(systemctl show -P MainPID appliance-web) -m -S $(id -u appliance-web)"
    assert guest.holds(f"{page} ls /usr/ | grep -q .")
    for path in ("/var/lib/appliance", "/etc/appliance/credentials", "/mnt", "/srv"):
        assert not guest.holds(f"{page} ls {path}/ | grep -q ."), path
