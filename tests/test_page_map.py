"""The page reads what concerns it, and a broken file changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import config, page_map, place
from appliance.core.address import Address
from appliance.core.errors import ConfigError

EXAMPLE = Path(__file__).parents[1] / "image" / "appliance.toml"
WHOLE = """
[appliance]
name = "Front office"
timezone = "Europe/Berlin"
state = '{state}'

[web]
listen = "127.0.0.1:8443"
names = ["backup.example.org"]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "appliance.toml"
    path.write_text(WHOLE.format(state=tmp_path / "state"))
    return path


def test_the_page_knows_where_to_listen_its_office_and_where_the_worker_answers(file, tmp_path):
    known = page_map.read(file)
    assert known.listen == Address("127.0.0.1", 8443)
    assert (known.office.name, known.office.zone.key) == ("Front office", "Europe/Berlin")
    assert known.office.names == ("backup.example.org",)
    assert known.socket == tmp_path / "state" / "worker.sock"


def test_the_example_gives_the_page_what_it_gives_the_configuration():
    known, whole = page_map.read(EXAMPLE), config.load(EXAMPLE)
    assert (str(known.listen), known.office.names) == (whole.web.listen, whole.web.names)
    assert (known.office.name, known.office.zone) == (whole.appliance.name, whole.zone)


def test_what_is_left_out_is_the_same_for_page_and_configuration():
    known, whole = page_map.defaults(), config.parse("")
    assert (str(known.listen), known.office.names) == (whole.web.listen, whole.web.names)
    assert (known.office.name, known.office.zone) == (whole.appliance.name, whole.zone)


@pytest.mark.parametrize(
    "listen", ["8080", "0.0.0.0", "0.0.0.0:0", "0.0.0.0:65536", "::1:8080", "http://x:80", "a b:80"]
)
def test_an_address_that_is_none_is_refused_by_both(file, listen):
    file.write_text(f'[web]\nlisten = "{listen}"\n')
    with pytest.raises(ConfigError, match="an address is written like"):
        page_map.read(file)
    with pytest.raises(ConfigError, match="an address is written like"):
        config.load(file)


def test_a_change_is_seen_and_a_broken_file_changes_nothing(file, tmp_path):
    watched = page_map.MapFile(file, tmp_path / "page")
    assert watched.known().office.name == "Front office"
    file.write_text(file.read_text().replace("Front office", "Back office"))
    assert watched.known().office.name == "Back office"
    file.write_text("[appliance")
    assert watched.known().office.name == "Back office"
    assert page_map.MapFile(file, tmp_path / "page").known().listen == Address("127.0.0.1", 8443)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"socket": 7}', '{"web": 1, "socket": "/x"}'])
def test_what_was_kept_is_believed_only_where_it_is_sound(tmp_path, text):
    (tmp_path / page_map.KEPT).write_text(text)
    watched = page_map.MapFile(tmp_path / "missing.toml", tmp_path)
    assert watched.known().listen == Address("0.0.0.0", 8080)


def test_a_folder_that_cannot_be_written_stops_no_page(file):
    assert page_map.MapFile(file, Path("/proc/nowhere")).known().office.name == "Front office"


def test_the_page_has_a_folder_of_its_own(file, tmp_path, monkeypatch):
    assert page_map.own_folder(file, {"STATE_DIRECTORY": "/var/lib/x:/y"}) == Path("/var/lib/x")
    assert page_map.own_folder(file, {}) == tmp_path / "state" / "page"
    monkeypatch.setattr(place, "PAGE", tmp_path)
    assert place.page(place.STATE) == tmp_path
