"""The last resort: found by its path, with nothing of ours; the lamp itself is seen in tests/vm."""

import ast
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.hw import last_lamp

UNITS = Path(__file__).parents[2] / "systemd/etc/systemd/system"
FILE = Path(last_lamp.__file__)


def test_it_needs_nothing_but_the_standard_library():
    names = set()
    for node in ast.walk(ast.parse(FILE.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module.partition(".")[0])
    assert names <= set(sys.stdlib_module_names)


def test_the_unit_starts_it_by_the_path_that_it_has():
    unit = (UNITS / "appliance-panel-dead.service").read_text()
    assert f"/opt/appliance/current/appliance/{FILE.relative_to(FILE.parents[1])} --seconds" in unit


def test_without_a_panels_note_it_says_so_and_ends():
    command = ["/usr/bin/python3", "-I", FILE, "--seconds", "60"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "cannot be lit" in told.stderr


def test_the_pin_is_the_one_that_the_panel_noted(tmp_path):
    note = tmp_path / "panel.json"
    note.write_text(json.dumps({"panel": {"led_attention": 24, "button": 17}, "socket": "/x"}))
    assert last_lamp.pin(note) == 24


@pytest.mark.parametrize("text", ["", "{", "{}", '{"panel": null}', '{"panel": {"button": 1}}'])
def test_a_note_that_was_torn_lights_nothing(tmp_path, text, monkeypatch, capsys):
    note = tmp_path / "panel.json"
    note.write_text(text)
    monkeypatch.setattr(last_lamp, "NOTED", note)
    monkeypatch.setattr(sys, "argv", ["last_lamp", "--seconds", "60"])
    assert last_lamp.main() == 1
    assert "cannot be lit" in capsys.readouterr().err


def test_the_kernels_structure_has_the_kernels_size_and_order():
    """Sizes by linux/gpio.h: 592 bytes, which the number of the call holds too (0x250)."""
    asked = bytes(last_lamp.request(24))
    assert len(asked) == 592 == (last_lamp._GET_LINE >> 16) & 0x3FFF
    assert struct.unpack_from("=I", asked, 0) == (24,)  # offsets[0]
    assert asked[256:288].rstrip(b"\0") == b"last lamp"  # consumer
    assert struct.unpack_from("=QI", asked, 288) == (1 << 3, 1)  # config: output, one attribute
    assert struct.unpack_from("=IIQQ", asked, 320) == (2, 0, 1, 1)  # its values: this line high
    assert struct.unpack_from("=II", asked, 560) == (1, 0)  # one line, the buffer as it comes
    assert struct.unpack_from("=i", asked, 588) == (0,)  # the descriptor, for the kernel to fill


def test_only_a_pis_own_chip_is_taken(tmp_path, monkeypatch):
    asked = []

    def ioctl(chip, number, structure):
        name = str(Path(f"/proc/self/fd/{chip}").readlink())
        if number == last_lamp._GET_CHIP:
            label = b"pinctrl-rp1" if name.endswith("gpiochip4") else b"usb-expander"
            structure[:] = last_lamp._CHIP.pack(b"gpiochip", label, 54)
        else:
            asked.append(name)

    monkeypatch.setattr(last_lamp.fcntl, "ioctl", ioctl)
    (tmp_path / "gpiochip0").touch()
    assert not last_lamp.light(tmp_path, 24)
    (tmp_path / "gpiochip4").touch()
    assert last_lamp.light(tmp_path, 24)
    assert asked == [str(tmp_path / "gpiochip4")]
