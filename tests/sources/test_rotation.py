"""A refresh token that the vendor replaces is never lost, and never shown again."""

from __future__ import annotations

import errno
import json
import signal
import threading

import pytest

from appliance.core.errors import DiskFull, SourceRefused, SourceUnreachable
from appliance.sources import signin
from appliance.system import files
from appliance.system.secrets import Secrets
from tests.vendors.sign_in import USERS, SignInServer

from .test_oauth import Source, source, started, vendor

__all__ = ["source", "vendor"]
"""Fixtures of the grants' tests."""


def proved(source: Source, **auth: object) -> None:
    signin.proved(source.settings("refresh_token", **auth).login, source.ca_file)


@pytest.mark.parametrize(
    "said",
    [(400, b'{"error": "invalid_client"}'), (403, b""), (200, b"<html>Back soon.</html>")],
)
def test_a_vendor_that_has_a_fault_of_its_own_is_not_shown_the_older_token(source, vendor, said):
    """What a Run was begun with is the older one by then: the vendor would end the sign-in."""
    first = source.has_token()
    proved(source, refresh_token=first)

    def faulty(request) -> bool:
        request.answer(*said)
        return True

    vendor.trap = faulty
    with pytest.raises(SourceRefused):
        proved(source, refresh_token=first)
    assert [form.get("refresh_token") for form in vendor.forms].count(first) == 1
    vendor.trap = lambda _: False
    proved(source, refresh_token=first)


def test_whoever_stops_a_backup_while_the_token_is_replaced_locks_nobody_out(source, vendor):
    source.has_token()
    arrived, go_on = threading.Event(), threading.Event()

    def hold(_: object) -> bool:
        arrived.set()
        go_on.wait(10)
        return False

    vendor.trap = hold
    with started(source.settings("authorization_code")) as child:
        assert arrived.wait(20)
        child.send_signal(signal.SIGTERM)
        go_on.set()
        assert child.wait(20) == -signal.SIGTERM
    vendor.trap = lambda _: False
    proved(source)


def test_a_disk_that_fills_up_while_the_token_is_replaced_locks_nobody_out(
    source, vendor, monkeypatch
):
    source.has_token()
    real = files._write_synced

    def full(path, *rest) -> None:
        if len(vendor.forms) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, *rest)

    monkeypatch.setattr(files, "_write_synced", full)
    proved(source)
    monkeypatch.undo()
    assert source.secrets.get("signin-crm") in vendor.judge.refresh
    proved(source)


def test_a_store_that_is_full_before_is_said_and_nobody_is_asked(source, vendor, monkeypatch):
    source.has_token()
    vendor.forms.clear()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_write_synced", full)
    with pytest.raises(DiskFull):
        proved(source)
    assert vendor.forms == []


def test_two_sources_that_live_on_one_token_do_not_use_it_twice(source: Source, vendor):
    source.has_token()
    both = [source.settings("refresh_token"), source.settings("refresh_token")]
    both[1].sign_in_of["source"] = "other"
    vendor.trap = lambda _: threading.Event().wait(0.1)
    done: list[object] = []
    threads = [
        threading.Thread(target=lambda one=one: done.append(signin.proved(one.login, one.ca_file)))
        for one in both * 2
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(done) == 4
    vendor.trap = lambda _: False
    proved(source)


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable"])
def test_a_fault_of_the_vendors_own_is_no_no(source: Source, vendor: SignInServer, error: str):
    """It is tried again within the hour, and nobody is asked to sign in again."""
    source.has_token()

    def faulty(request) -> bool:
        request.answer(400, json.dumps({"error": error}).encode())
        return True

    vendor.trap = faulty
    with pytest.raises(SourceUnreachable, match="fault of its own"):
        proved(source)


def test_with_a_new_password_it_begins_anew(source: Source, vendor: SignInServer):
    one = source.settings("password", user="ann", password="open sesame").login
    signin.proved(one, source.ca_file)
    first = source.known.read("crm").since
    signin.proved(one, source.ca_file)
    assert source.known.read("crm").since == first
    USERS["ann"] = "closed sesame"
    try:
        two = source.settings("password", user="ann", password="closed sesame").login
        signin.proved(two, source.ca_file)
    finally:
        USERS["ann"] = "open sesame"
    assert source.known.read("crm").since > first


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e400", "true", "[]"])
def test_a_number_that_is_far_too_large_stops_nobody(source: Source, vendor: SignInServer, number):
    source.has_token()
    vendor.more = {"refresh_token_expires_in": json.loads(number)}
    proved(source)
    proved(source)


def test_a_lock_that_cannot_be_made_is_said_in_words(source: Source, vendor: SignInServer):
    source.has_token()
    vendor.forms.clear()
    (source.known.folder / ".signin-crm.lock").mkdir()
    with pytest.raises(Exception, match="cannot be written"):
        proved(source)
    assert vendor.forms == []


def test_a_secret_is_written_over_whole(tmp_path):
    store = Secrets(tmp_path)
    store.put("a", "long " * 100)
    store.put_in_place("a", "short")
    assert store.get("a") == "short"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
