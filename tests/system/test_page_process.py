"""The page's whole process, as systemd starts it, and its commands at the terminal."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.system.socket import Server
from tests.system.office import section
from tests.system.processes import until
from tests.system.worker import Worker
from tests.web.real import answer, request, trusting

PASSWORD = "canary horse battery staple"
WRONG = "canary that is not the password"
_MOST_RSS_KB = 60 * 1024
_TOKEN = re.compile(rb'name="csrf_token" value="([^"]+)"')


def free_port():
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


class Page:
    """The process, and a browser in front of it."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.state, self.config, self.log = folder / "state", folder / "box.toml", folder / "log"
        self.state.mkdir()
        self.config.write_text(
            section("[appliance]", name="Front office", state=str(self.state))
            + section("[web]", listen=f"127.0.0.1:{self.port}")
        )
        self.cookies = {}
        self.process = None

    def start(self, **environment):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "appliance", "--config", self.config, "web"],
                env=os.environ | environment,
                stdout=log,
                stderr=log,
            )
        assert until(self.answers, 30), self.log.read_text()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def answers(self):
        try:
            return self.get("/alive")[0] == 200
        except OSError:
            return False

    def command(self, *words, given=""):
        command = [sys.executable, "-m", "appliance", "--config", self.config, *words]
        return subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=60
        )

    def ask(self, data):
        with trusting().wrap_socket(socket.create_connection(("127.0.0.1", self.port), 20)) as made:
            made.sendall(data)
            status, headers, body = answer(made)
        name, _, rest = headers.get("set-cookie", "").partition("=")
        if name:
            self.cookies[name] = rest.partition(";")[0]
        return status, headers, body

    def lines(self):
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return (f"Cookie: {cookies}",)

    def get(self, path):
        return self.ask(request(path, "GET", *self.lines()))

    def send(self, path, **fields):
        token = _TOKEN.search(self.get(path)[2])[1].decode()
        pairs = {"csrf_token": token} | fields
        form = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in pairs.items())
        kind = "Content-Type: application/x-www-form-urlencoded"
        return self.ask(request(path, "POST", kind, *self.lines(), body=form.encode()))

    def claim(self):
        code = re.search(r"\b\w{4}-\w{4}-\w{4}-\w{4}\b", self.command("web", "claim").stdout)[0]
        self.send("/claim/", code=code)
        return self.send("/claim/password", password=PASSWORD, again=PASSWORD)

    def facts(self):
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return dict(line.split(":", 1) for line in lines)


@pytest.fixture
def page(tmp_path):
    page = Page(tmp_path)
    yield page
    if page.process is not None and page.process.poll() is None:
        page.process.kill()
        page.process.wait()


@pytest.fixture
def worker(page):
    worker = Worker()
    server = Server(page.state / "worker.sock", worker)
    yield worker
    server.close()


def test_the_page_comes_up_without_the_worker_is_claimed_and_ends_when_told(page):
    page.start()
    assert page.claim()[1]["location"] == "/first-run"
    assert page.get("/")[0] == 200
    assert page.get("/account/")[0] == 200
    assert page.stop() == 0


def test_E11_the_process_stays_small(page, worker):
    page.start()
    page.claim()
    for _ in range(30):
        assert page.get("/")[0] == 200
        page.get("/account/")
    at_first = int(page.facts()["VmRSS"].split()[0])
    page.stop()
    page.start()
    page.send("/sign-in", password=PASSWORD)
    for _ in range(30):
        assert page.get("/")[0] == 200
    later = int(page.facts()["VmRSS"].split()[0])
    print(f"resident: {at_first} KB at first, {later} KB after a restart")
    assert max(at_first, later) <= _MOST_RSS_KB
    assert int(page.facts()["Threads"]) <= 8


def test_E7_a_restart_ends_every_session_and_the_password_stays(page, worker):
    page.start()
    page.claim()
    assert page.get("/")[0] == 200
    page.stop()
    page.start()
    assert page.get("/")[1]["location"] == "/sign-in"
    assert page.send("/sign-in", password=PASSWORD)[1]["location"] == "/"


def test_E3_a_restart_gives_no_new_tries(page):
    page.start()
    page.claim()
    page.cookies.clear()
    statuses = [page.send("/sign-in", password=WRONG)[0] for _ in range(4)]
    page.stop()
    page.start()
    statuses.append(page.send("/sign-in", password=WRONG)[0])
    assert statuses == [401, 401, 401, 429, 429]


def test_E2_the_terminal_prints_no_code_once_the_box_is_somebody_s(page):
    page.start()
    page.claim()
    again = page.command("web", "claim")
    assert again.returncode == 1
    assert "sudo appliance web password" in again.stderr


def test_the_terminal_sets_a_new_password_and_everybody_is_signed_out(page, worker):
    page.start()
    page.claim()
    done = page.command("web", "password", given="four words from before\n" * 2)
    assert done.returncode == 0, done.stderr
    assert page.get("/")[1]["location"] == "/sign-in"
    page.cookies.clear()
    assert page.send("/sign-in", password=PASSWORD)[0] == 401
    assert page.send("/sign-in", password="four words from before")[0] == 302
    refused = page.command("web", "password", given="frontoffice\n" * 2)
    assert (refused.returncode, "others try first" in refused.stderr) == (1, True)


def test_E10_the_terminal_shows_the_fingerprint_that_a_browser_sees(page):
    import hashlib

    missing = page.command("fingerprint")
    assert (missing.returncode, "no certificate yet" in missing.stderr) == (1, True)
    page.start()
    with trusting().wrap_socket(socket.create_connection(("127.0.0.1", page.port), 20)) as made:
        der = made.getpeercert(binary_form=True)
    shown = page.command("fingerprint").stdout.strip()
    assert shown.replace(":", "").lower() == hashlib.sha256(der).hexdigest()
    assert shown in page.command("web", "claim").stdout


def test_E13_no_password_code_or_cookie_is_in_log_arguments_environment_or_files(page, worker):
    page.start()
    code = re.search(r"\b\w{4}-\w{4}-\w{4}-\w{4}\b", page.command("web", "claim").stdout)[0]
    page.send("/claim/", code=code)
    page.send("/claim/password", password=PASSWORD, again=PASSWORD)
    cookies = list(page.cookies.values())
    page.get("/nothing?password=" + WRONG.replace(" ", "+"))
    page.cookies.clear()
    page.send("/sign-in", password=WRONG)
    process = Path(f"/proc/{page.process.pid}")
    seen = page.log.read_bytes() + (process / "environ").read_bytes()
    seen += (process / "cmdline").read_bytes() + repr(worker.asked).encode()
    seen += b"".join(file.read_bytes() for file in page.state.rglob("*") if file.is_file())
    for canary in ("canary", code, code.replace("-", ""), *cookies):
        assert canary.encode() not in seen
    loose = [f.name for f in (page.state / "page").iterdir() if f.stat().st_mode & 0o077]
    assert loose == []


def test_E8_nobody_forges_a_line_of_the_log(page):
    page.start()
    page.claim()
    (page.state / "page" / "people.json").write_text("{")
    for lines in ((), page.lines()):  # who is signed in and who is not
        status, _, body = page.ask(request("/a%0aINFO%20forged%1b[2J", "GET", *lines))
        assert (status, b"Something went wrong in the box." in body) == (500, True)
    page.stop()
    assert "forged" in page.log.read_text()
    assert "INFO forged" not in {line[:11] for line in page.log.read_text().splitlines()}
    assert "\x1b" not in page.log.read_text()


def test_systemd_is_told_when_it_is_ready_and_that_it_moves(page, tmp_path):
    told = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(told))
        listening.settimeout(20)
        watchdog = str(int(timedelta(seconds=30).total_seconds() * 1e6))
        page.start(NOTIFY_SOCKET=str(told), WATCHDOG_USEC=watchdog)
        first = listening.recv(4096).decode()
        assert "READY=1" in first
        assert f"https://127.0.0.1:{page.port}/" in first
        assert listening.recv(4096) == b"WATCHDOG=1"
        page.stop()


def test_an_address_that_is_taken_ends_it_with_words(page):
    with socket.create_server(("127.0.0.1", page.port)):
        done = page.command("web")
    assert done.returncode == 1
    assert "cannot be served at 127.0.0.1" in done.stderr
