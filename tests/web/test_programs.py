"""What other programs are told, and by which token."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import appliance.web
from appliance.system.socket import WorkerAbsent
from appliance.web.token import Token
from tests.web.conftest import ORIGIN
from tests.web.offices import OFFICES, days

SCHEMA = json.loads(
    (Path(appliance.web.__file__).parent / "static" / "status.schema.json").read_text()
)
KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "number": (int, float),
    "null": type(None),
}


def faults(value, schema, where="status"):
    """What of a value its JSON schema does not allow, as far as our schema uses that language."""
    if "const" in schema and value != schema["const"]:
        yield f"{where} is {value!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {value!r}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, KINDS[kind]) for kind in kinds):
        yield f"{where} is {value!r}"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        yield from (f"{where} lacks {name}" for name in set(schema["required"]) - set(value))
        yield from (f"{where}.{name} is unknown" for name in set(value) - set(known))
        for name in set(value) & set(known):
            yield from faults(value[name], known[name], f"{where}.{name}")
    for index, each in enumerate(value if isinstance(value, list) else ()):
        yield from faults(each, schema["items"], f"{where}[{index}]")


@pytest.fixture
def token(app):
    return app.extensions["token"].renew()


def ask(visitor, path, token=None, kind="Bearer"):
    headers = {"Authorization": f"{kind} {token}"} if token else {}
    return visitor.get(path, base_url=ORIGIN, headers=headers)


def show(box, name):
    office = OFFICES[name]()
    box.facts, box.told_days = office.facts, days(office.now)


@pytest.mark.parametrize("path", ["/status.json", "/metrics"])
@pytest.mark.parametrize("given", [None, "", "x", "None", "0" * 64])
def test_E1_nobody_without_the_token_is_told_anything(visitor, token, path, given):
    answer = ask(visitor, path, given)
    assert answer.status_code == 401
    assert "Safe" not in answer.text


def test_nothing_fits_while_there_is_no_token(visitor):
    assert ask(visitor, "/metrics", "anything").status_code == 401


def test_the_token_opens_nothing_else(visitor, token):
    for path in ("/", "/live", "/programs", "/activity/"):
        assert ask(visitor, path, token).status_code == 302


def test_it_is_kept_as_a_hash_and_a_new_one_ends_the_one_before(tmp_path):
    token = Token(tmp_path)
    assert not token.is_set()
    first = token.renew()
    assert token.fits(first)
    assert len(first) >= 43, "256 bits"
    assert first not in (tmp_path / "token.sha256").read_text()
    assert (tmp_path / "token.sha256").stat().st_mode & 0o777 == 0o600
    second = Token(tmp_path).renew()
    assert token.fits(second)
    assert not token.fits(first)


@pytest.mark.parametrize("name", OFFICES)
def test_status_json_is_what_its_schema_says(visitor, box, token, name):
    show(box, name)
    answer = ask(visitor, "/status.json", token)
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    assert list(faults(answer.json, SCHEMA)) == []
    assert answer.json["state"] == box.facts["state"]


def test_a_schema_that_is_not_kept_is_seen():
    assert list(faults({"schema": 2}, SCHEMA))
    assert list(faults({"x": 1}, {"type": "object", "required": [], "properties": {}}))


def test_whoever_has_signed_in_may_look_at_it_in_the_browser(keeper, box):
    show(box, "safe")
    assert keeper.get("/status.json", base_url=ORIGIN).json["state"] == "safe"


def test_a_worker_that_is_away_is_said(visitor, box, token):
    def absent():
        raise WorkerAbsent("The worker is not running.")

    box.status = absent
    answer = ask(visitor, "/status.json", token)
    assert (answer.status_code, answer.json) == (503, {"error": "The worker is not running."})
    metrics = ask(visitor, "/metrics", token)
    assert metrics.status_code == 200
    assert samples(metrics.text) == {"appliance_up": 0.0}


def test_half_a_truth_is_none(visitor, box, token):
    show(box, "safe")
    del box.facts["clock_trusted"]
    assert ask(visitor, "/status.json", token).status_code == 503
    found = samples(ask(visitor, "/metrics", token).text)
    assert "appliance_clock_trusted" not in found
    assert found["appliance_up"] == 1.0


LINE = re.compile(r'([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})?) (\S+)')
"""Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/"""


def samples(text):
    """Given metrics, return each sample; fail where the format is not kept."""
    assert text.endswith("\n")
    found, typed = {}, set()
    for line in text.splitlines():
        if line.startswith("# "):
            _, kind, name, words = line.split(" ", 3)
            assert kind in ("HELP", "TYPE")
            if kind == "TYPE":
                assert name not in typed
                assert words == "gauge"
                typed.add(name)
            continue
        match = LINE.fullmatch(line)
        assert match, line
        assert match[1].partition("{")[0] in typed
        assert match[1] not in found
        found[match[1]] = float(match[2])
    return found


@pytest.mark.parametrize("name", OFFICES)
def test_metrics_are_in_prometheus_own_format(visitor, box, token, name):
    show(box, name)
    answer = ask(visitor, "/metrics", token)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(answer.text)
    states = {key: value for key, value in found.items() if key.startswith("appliance_state{")}
    assert sum(states.values()) == 1
    assert len(states) == 6
    assert found[f'appliance_state{{state="{box.facts["state"]}"}}'] == 1


def test_what_is_measured(visitor, box, token):
    show(box, "waiting")
    found = samples(ask(visitor, "/metrics", token).text)
    assert found['appliance_copy_age_seconds{source="crm",where="here"}'] == 6 * 3600
    assert found['appliance_copy_age_seconds{source="site",where="cloud"}'] == 6 * 3600
    assert found['appliance_source_state{source="crm",state="working"}'] == 1
    assert found['appliance_source_state{source="crm",state="safe"}'] == 0
    assert found["appliance_running"] == found["appliance_waiting"] == 1
    assert found['appliance_runs{source="crm",outcome="ok"}'] == 30
    assert found['appliance_runs{source="crm",outcome="failed"}'] == 0
    assert found['appliance_disk_present{disk="disk-a"}'] == 1
    assert found['appliance_disk_free_bytes{disk="disk-a"}'] == 4e11
    assert found["appliance_clock_trusted"] == 1
    assert found["appliance_worker_silent_seconds"] == 0.5
    assert found['appliance_info{name="Front office",release="0.1.0"}'] == 1


def test_E8_a_hostile_name_breaks_no_line(visitor, box, token):
    show(box, "safe")
    box.facts["disks"][0]["name"] = 'a"} 1\nappliance_up 0\\'
    found = samples(ask(visitor, "/metrics", token).text)
    assert found["appliance_up"] == 1


def test_the_page_makes_a_token_and_shows_it_this_once(keeper, box):
    show(box, "safe")
    assert "none yet" in keeper.get("/programs", base_url=ORIGIN).text
    answer = keeper.post("/programs", base_url=ORIGIN)
    made = re.search(r'<pre id="token">(.+?)</pre>', answer.text)[1]
    assert answer.headers["Cache-Control"] == "no-store"
    assert box.asked[-1][:2] == ("note", "token")
    assert made not in str(box.asked)
    assert made not in keeper.get("/programs", base_url=ORIGIN).text
    assert ask(keeper, "/metrics", made).status_code == 200


def test_whoever_may_only_look_makes_no_token(app, visitor):
    from appliance.web.policy import Role

    app.extensions["people"].set_password(Role.LOOK, "only looking here")
    app.config["WTF_CSRF_ENABLED"] = False
    visitor.post("/sign-in", data={"password": "only looking here"}, base_url=ORIGIN)
    assert visitor.post("/programs", base_url=ORIGIN).status_code == 403
    assert visitor.get("/programs", base_url=ORIGIN).status_code == 403
    assert "/programs" not in visitor.get("/", base_url=ORIGIN).text


def test_whoever_may_change_things_finds_the_way_there(keeper, box):
    show(box, "safe")
    assert 'href="/programs"' in keeper.get("/", base_url=ORIGIN).text
