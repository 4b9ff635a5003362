"""The box's own key and certificate."""

from __future__ import annotations

import hashlib
import socket
import ssl
import stat
import subprocess

import pytest

from appliance.core.errors import ApplianceError
from appliance.web import certificate


@pytest.fixture
def file(tmp_path):
    return certificate.ensure(tmp_path / "page", ["box", "box.local", "192.168.1.20", "::1"])


def said(file, *what):
    command = ["openssl", "x509", "-in", file, "-noout", *what]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_E10_the_key_is_made_on_the_box_once_and_is_nobody_else_s(file):
    before = file.read_bytes()
    again = certificate.ensure(file.parent, ["another"])
    assert (again, again.read_bytes()) == (file, before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_E10_two_boxes_have_two_keys(tmp_path):
    keys = {certificate.ensure(tmp_path / name, ["box"]).read_bytes() for name in "ab"}
    assert len(keys) == 2


def test_E10_it_names_the_box_lasts_long_and_vouches_for_nothing_else(file):
    text = said(file, "-text")
    assert "CA:FALSE" in text
    assert "DNS:box, DNS:box.local" in text
    assert "IP Address:192.168.1.20" in text
    assert "prime256v1" in text
    assert "notAfter=Dec 31 00:00:00 2049 GMT" in said(file, "-enddate")
    assert "notBefore=Jan  1 00:00:00 2020 GMT" in said(file, "-startdate")


def test_E10_the_fingerprint_is_the_one_that_browsers_and_openssl_show(file):
    shown = certificate.fingerprint(file.parent)
    assert said(file, "-fingerprint", "-sha256").strip().endswith(f"={shown}")


def test_a_box_without_a_certificate_has_no_fingerprint(tmp_path):
    assert certificate.fingerprint(tmp_path) == ""


def test_E10_what_a_browser_is_shown_is_that_certificate(file):
    ours, theirs = socket.socketpair()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    server = certificate.context(file).wrap_socket(
        ours, server_side=True, do_handshake_on_connect=False
    )
    import threading

    thread = threading.Thread(target=server.do_handshake)
    thread.start()
    with client.wrap_socket(theirs) as shown:
        der = shown.getpeercert(binary_form=True)
        assert shown.version() == "TLSv1.3"
    thread.join()
    server.close()
    hexed = hashlib.sha256(der).hexdigest().upper()
    assert hexed == certificate.fingerprint(file.parent).replace(":", "")


def test_a_key_that_is_broken_is_said_in_words(file):
    file.write_text(file.read_text()[:300])
    with pytest.raises(ApplianceError, match="cannot be used"):
        certificate.context(file)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_nothing_older_than_tls_1_2_is_spoken(file, version):
    assert certificate.context(file).minimum_version > version
