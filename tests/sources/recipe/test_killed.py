"""A pull that is killed at any request: the next one goes on with the vendor's job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from appliance.config import recipes
from appliance.sources.recipe.memory import settle

from ..stub import Request, stub
from .conftest import NOW
from .test_following import CSV, JOB

RECIPE = JOB.replace("auth = false\n", "").replace('hosts = ["*"]\n', "")
REQUESTS = ["POST /exports", "GET /exports/7", "GET /a"]


class Vendor:
    """Makes one export, and kills whoever asks for the time that it is told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.child: subprocess.Popen | None = None
        self.kill_at: str = ""
        self.kill_after = False

    def play(self, request: Request) -> None:
        asked = f"{request.command} {request.path}"
        self.asked.append(asked)
        answers = {
            "POST /exports": {"id": 7},
            "GET /exports/7": {"state": "done", "link": "/a", "rows": 2},
        }
        due = asked == self.kill_at and self.child is not None
        if due and not self.kill_after:
            return self.kill()
        request.answer(200, CSV if asked == "GET /a" else json.dumps(answers[asked]).encode())
        if due:
            self.kill()
        return None

    def kill(self) -> None:
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait()
        self.child = None


@pytest.fixture
def pull(tmp_path: Path, ca):
    vendor = Vendor()
    with stub(vendor.play, ca) as server:

        def pull(cooldown: str = "") -> dict:
            text = RECIPE.replace('job = "12h"', 'job = "12h"\n' + cooldown)
            raw = tomllib.loads(text) | {"base": server.url(""), "hosts": ["localhost"]}
            settings = {
                "name": "crm",
                "recipe": recipes.as_json(recipes.checked(raw)),
                "memory": str(tmp_path / "crm.json"),
                "ca_file": str(ca.certificate),
                "reserve_bytes": 0,
            }
            into = tmp_path / f"into-{len(list(tmp_path.iterdir()))}"
            into.mkdir()
            request = {
                "kind": "recipe",
                "settings": settings,
                "into": str(into),
                "pulled_at": NOW.isoformat(),
                "seen": [],
            }
            argv = [sys.executable, "-P", "-m", "appliance.sources"]
            pipe = subprocess.PIPE
            with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) as child:
                vendor.child = child if vendor.kill_at else None
                told, _ = child.communicate(json.dumps(request).encode(), timeout=60)
            lines = [json.loads(line) for line in told.splitlines()]
            return next((each for each in lines if "result" in each or "error" in each), {})

        pull.vendor = vendor
        yield pull


@pytest.mark.parametrize("after", [False, True], ids=["before its answer", "after its answer"])
@pytest.mark.parametrize("kill_at", REQUESTS)
def test_a_killed_pull_never_has_a_second_job_started(pull, tmp_path, kill_at, after):
    vendor = pull.vendor
    vendor.kill_at, vendor.kill_after = kill_at, after
    pull()
    vendor.kill_at = ""

    told = pull()

    assert told["result"]["files"][0]["size_bytes"] == len(CSV)
    may_be_two = kill_at == "POST /exports"  # it may have been started, and nobody knows
    assert vendor.asked.count("POST /exports") <= 1 + may_be_two
    settle(tmp_path / "crm.json")


def test_where_starts_are_dear_not_even_one_of_which_nothing_is_known_is_repeated(pull):
    vendor = pull.vendor
    vendor.kill_at = "POST /exports"
    pull('cooldown = "15d"')
    vendor.kill_at = ""

    pull('cooldown = "15d"')

    assert vendor.asked.count("POST /exports") == 1
