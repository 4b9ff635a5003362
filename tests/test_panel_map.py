"""The panel reads its own table, and a broken file changes nothing."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from appliance import config, panel_map
from appliance.core.errors import ConfigError

GOOD = """
[appliance]
timezone = "Europe/Berlin"
state = "/nowhere/state"
[panel]
button = 17
led_office = 22
led_cloud = 23
led_attention = 24
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "appliance.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


def test_the_panel_knows_its_pins_its_zone_and_where_the_worker_answers(file):
    known = panel_map.read(file)
    assert known.pins is not None
    assert known.pins.button == 17
    assert known.zone == ZoneInfo("Europe/Berlin")
    assert known.socket == Path("/nowhere/state/worker.sock")


def test_the_example_gives_the_panel_what_it_gives_the_configuration():
    example = Path(config.__file__).parents[2] / "image" / "appliance.toml"
    known, whole = panel_map.read(example), config.load(example)
    assert known.pins is not None
    assert whole.panel is not None
    assert known.pins.pins() == {key: getattr(whole.panel, key) for key in known.pins.pins()}
    assert (known.pins.quiet, known.pins.night) == (whole.panel.quiet, whole.panel.night)
    assert known.zone == whole.zone


def test_other_tables_may_be_half_written(file):
    file.write_text(GOOD + '[[source]]\nname = 7\ntype = "fax"\n')
    assert panel_map.read(file).pins is not None


def test_a_box_without_panel_has_none(file):
    file.write_text("[appliance]\n")
    assert panel_map.read(file).pins is None


@pytest.mark.parametrize(
    "text",
    [
        "[panel",
        "[panel]\nbutton = 17\n",
        GOOD + "buzzer = 17\n",
        'panel = "yes"\n',
        "appliance = 7\n",
        '[appliance]\ntimezone = "Moon/Base"\n',
        '[appliance]\ntimezone = "../etc/passwd"\n',
        "\x00",
    ],
)
def test_a_broken_file_is_refused_and_the_old_map_stays(text, file, kept):
    watched = panel_map.MapFile(file, kept)
    before = watched.first()
    file.write_text(text)
    with pytest.raises(ConfigError):
        panel_map.read(file)
    assert watched.changed() is None
    assert panel_map.MapFile(file, kept).first() == before


def test_only_a_change_is_a_change(file, kept):
    watched = panel_map.MapFile(file, kept)
    assert watched.changed() is not None
    assert watched.changed() is None
    file.write_text(GOOD + "buzzer = 25\n")
    changed = watched.changed()
    assert changed is not None
    assert changed.pins is not None
    assert changed.pins.buzzer == 25


def test_a_file_that_is_gone_or_never_was_leaves_what_was_known(file, kept):
    before = panel_map.MapFile(file, kept).first()
    file.unlink()
    assert panel_map.MapFile(file, kept).first() == before
    assert panel_map.MapFile(file, None).first().pins is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"socket": 7}', '{"panel": {}, "socket": "/x"}'])
def test_what_was_kept_may_be_torn(text, file, kept):
    (kept / panel_map.KEPT).write_text(text)
    file.unlink()
    assert panel_map.MapFile(file, kept).first().pins is None


def test_the_map_is_written_once_and_not_at_each_start(file, kept):
    panel_map.MapFile(file, kept).first()
    before = (kept / panel_map.KEPT).stat().st_ino
    panel_map.MapFile(file, kept).first()
    assert (kept / panel_map.KEPT).stat().st_ino == before


def test_a_folder_that_cannot_be_written_costs_the_memory_and_not_the_lamps(file, tmp_path):
    assert panel_map.MapFile(file, tmp_path / "missing").first().pins is not None


def test_systemd_says_where_the_panel_may_keep_something():
    folders = {"STATE_DIRECTORY": "/var/lib/x:/b", "RUNTIME_DIRECTORY": "/run/x"}
    assert panel_map.kept_folder(folders) == Path("/var/lib/x")
    assert panel_map.kept_folder({"RUNTIME_DIRECTORY": "/run/x"}) == Path("/run/x")
    assert panel_map.kept_folder({}) is None
