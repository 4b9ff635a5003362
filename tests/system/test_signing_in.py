"""`appliance signin` as a person types it, at a vendor whose OAuth is oauthlib's."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from appliance import loopback
from appliance.core.errors import ApplianceError
from appliance.demo.authority import Authority
from tests.servers import free_port
from tests.system import processes
from tests.system.office import Office
from tests.vendors.sign_in import SignInServer, sign_in_server

LINK = re.compile(r"https://\S+/authorize\?\S+")


@pytest.fixture
def vendor(ca: Authority):
    with sign_in_server(ca) as vendor:
        yield vendor


@pytest.fixture
def office(tmp_path: Path, vendor: SignInServer, ca: Authority) -> Office:
    (folder := tmp_path / "office").mkdir()
    office = Office(folder)
    auth = {
        "kind": "oauth2",
        "grant": "authorization_code",
        "token_url": vendor.url("/token"),
        "authorize_url": vendor.url("/authorize"),
        "client_id": "box",
        "client_secret": office.secret("app", "client-s3cret"),
    }
    keys = {"name": "crm", "type": "http", "url": vendor.url("/export.csv"), "auth": auth}
    office.add("[[source]]", **keys, ca_file=ca.certificate)
    nas = {"name": "nas", "path": folder / "nas", "passphrase": "${secret:nas}"}
    office.add("[[repository]]", **nas, reserve="10 MB")
    return office


def read_until(process: subprocess.Popen[str], wanted: re.Pattern[str]) -> str:
    """Read what a command says until something stands in it."""
    said = ""
    for line in process.stdout:
        said += line
        if found := wanted.search(said):
            return found[0]
    raise AssertionError(said)


@pytest.mark.slow
def test_a_link_is_opened_elsewhere_its_end_is_pasted_and_the_backup_comes(office, vendor):
    vendor.more = {"instance_url": "https://eu.vendor.example"}
    with office.started("signin", "crm", stdin=subprocess.PIPE) as process:
        link = read_until(process, LINK)
        said, complaint = process.communicate(vendor.says_yes(link) + "\n", timeout=60)
    assert process.returncode == 0, complaint
    assert "Signed in at the vendor of crm" in said
    assert "https://eu.vendor.example" in said
    office.ok("init", "nas")
    office.ok("run", "crm")
    (known,) = office.json("status")["sign_ins"]
    assert known["state"] == "good"
    acts = office.json("history", "person:")
    assert any("signed in at the vendor of crm" in each["message"] for each in acts)
    assert "s3cret" not in said + complaint


def test_for_a_program_everything_is_json(office: Office, vendor: SignInServer):
    with office.started("signin", "crm", "--json", stdin=subprocess.PIPE) as process:
        link = json.loads(read_until(process, re.compile(r"(?s)\{.*\n\}\n")))["link"]
        said, _ = process.communicate(vendor.says_yes(link) + "\n", timeout=60)
    assert process.returncode == 0
    assert json.loads(said)["state"] == "good"


@pytest.mark.parametrize("how", ["interrupt", "nothing"])
def test_whoever_stops_in_the_middle_leaves_everything_as_it_was(office, vendor, how):
    with office.started("signin", "crm", stdin=subprocess.PIPE) as process:
        vendor.says_yes(read_until(process, LINK))
        if how == "interrupt":
            process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Everything is as it was" in complaint
    assert "Traceback" not in complaint
    assert not (office.state / "secrets" / "signin-crm").exists()


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("http://127.0.0.1:8400/?error=access_denied", "said no at the vendor"),
        ("http://127.0.0.1:8400/?code=x&state=y", "not of this sign-in"),
        ("not-a-code", "no longer accepts"),
    ],
)
def test_what_went_wrong_is_said_in_words(office: Office, vendor: SignInServer, pasted, words):
    with office.started("signin", "crm", stdin=subprocess.PIPE) as process:
        read_until(process, LINK)
        _, complaint = process.communicate(pasted + "\n", timeout=60)
    assert process.returncode == 1
    assert words in complaint
    assert not (office.state / "secrets" / "signin-crm").exists()


def test_at_a_terminal_a_slip_is_pasted_again_and_a_very_long_line_is_not_cut(office, vendor):
    """A terminal by itself takes 4095 letters of a line, and drops the rest."""
    keyboard, terminal = pty.openpty()
    with office.started("signin", "crm", stdin=terminal, stdout=terminal, stderr=terminal) as one:
        os.close(terminal)
        seen = _seen(keyboard, re.compile(r"Paste it here"))
        landed = vendor.says_yes(LINK.search(seen)[0].strip())
        os.write(keyboard, b"http://127.0.0.1:8400/\n")
        assert "There is no code" in _seen(keyboard, re.compile("Paste it here"))
        _write(keyboard, landed.encode() + b"&padding=" + b"x" * 6000 + b"\n")
        assert "Signed in at the vendor" in _seen(keyboard, re.compile(r"Signed in at the vendor"))
        assert one.wait(30) == 0
    os.close(keyboard)


def _write(keyboard: int, data: bytes) -> None:
    """A person's terminal takes what is pasted bit by bit."""
    for start in range(0, len(data), 256):
        os.write(keyboard, data[start : start + 256])
        time.sleep(0.01)


def _seen(keyboard: int, wanted: re.Pattern[str]) -> str:
    seen, until = "", time.monotonic() + 60
    while not wanted.search(seen):
        assert time.monotonic() < until, seen
        seen += os.read(keyboard, 4096).decode(errors="replace").replace("\r\n", "\n")
    return seen


def test_a_code_is_typed_at_the_vendors_and_waited_for(office: Office, vendor: SignInServer):
    vendor.interval = 0.2
    text = office.config.read_text()
    text = text.replace('"authorization_code"', '"device_code"')
    office.config.write_text(text.replace("authorize_url", "device_url"))
    office.config.write_text(office.config.read_text().replace("/authorize", "/device"))
    with office.started("signin", "crm") as process:
        assert read_until(process, re.compile(r"WDJB-MJHT"))
        vendor.types_code()
        said, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert "Signed in" in said
    with office.started("signin", "crm", env=processes.marked(office.folder)) as process:
        read_until(process, re.compile(r"WDJB-MJHT"))
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert "Everything is as it was" in complaint
    assert processes.until(lambda: not processes.of(office.folder), 20)


def test_a_browser_on_this_machine_comes_back_by_itself(office: Office, vendor: SignInServer):
    port = free_port()
    vendor.judge.redirects.add(f"http://127.0.0.1:{port}/")
    with office.started("signin", "crm", "--loopback", "--port", port) as process:
        link = read_until(process, LINK)
        for knock in ("favicon.ico", "?code=x&state=y", "?error=access_denied"):
            _get(f"http://127.0.0.1:{port}/{knock}")
        assert b"You can close" in _get(vendor.says_yes(link))
        said, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert "Signed in" in said


def test_so_it_does_for_a_recipe(office: Office, vendor, tmp_path: Path, ca: Authority):
    from tests.test_sign_ins import RECIPE

    port = free_port()
    vendor.judge.redirects.add(f"http://127.0.0.1:{port}/")
    (file := tmp_path / "shop.toml").write_text(RECIPE)
    host = vendor.url("").removeprefix("https://")
    keys = {"name": "shop", "recipe": file, "client_id": "box", "host": host}
    keys |= {"client_secret": "${secret:app}", "ca_file": ca.certificate}
    office.add("[[source]]", **keys)
    with office.started("signin", "shop", "--loopback", "--port", port) as process:
        assert b"You can close" in _get(vendor.says_yes(read_until(process, LINK)))
        said, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert "Signed in at the vendor of shop" in said


def _get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        error.close()
        return b""


def test_a_vendor_that_sends_people_elsewhere_is_no_loopback(office: Office):
    elsewhere = loopback.landing("https://v.example/done")
    with pytest.raises(ApplianceError, match="not on this machine"), elsewhere:
        pass
    with loopback.landing("http://localhost:0/") as here:
        again = loopback.landing(here.redirect)
        with pytest.raises(ApplianceError) as caught, again:
            pass
    assert "--port" in caught.value.hint
    assert re.fullmatch(r"http://localhost:\d+/", here.redirect)


def test_a_source_that_needs_nobody_says_so(office: Office, tmp_path: Path):
    office.inbox("drop")
    done = office.call("signin", "drop")
    assert done.returncode == 1
    assert "needs a person" in done.stderr
    assert office.call("signin", "cmr").returncode == 2
