"""Lamps and button on gpiozero's mock pins, and the kernel's edges without a kernel."""

from __future__ import annotations

import os
import queue
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from appliance.core.pins import read
from appliance.core.signals import Lamp
from appliance.hw import edges, panel

TABLE = {"button": 17, "led_office": 22, "led_cloud": 23, "led_attention": 24}
ALL = dict.fromkeys(Lamp, True)
NONE = dict.fromkeys(Lamp, False)


class Bench:
    """A panel on mock pins, and the pins as somebody with a probe sees them."""

    def __init__(self, **table):
        self.factory = MockFactory(pin_class=MockPWMPin)
        self.heard = []
        self.panel = panel.GpioPanel(
            read(TABLE | table),
            lambda: self.heard.append("down"),
            lambda: self.heard.append("up"),
            self.factory,
        )

    def pin(self, number):
        return self.factory.pin(number)

    def levels(self):
        return [self.pin(TABLE[key]).state for key in TABLE if key != "button"]


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.panel.close()


def test_each_lamp_has_its_pin(bench):
    for number, lamp in enumerate(Lamp):
        bench.panel.show(NONE | {lamp: True}, dimmed=False)
        assert bench.levels() == [number == position for position in range(3)]


def test_the_button_is_pressed_against_ground(bench):
    assert not bench.panel.is_down()
    bench.pin(17).drive_low()
    assert bench.panel.is_down()
    bench.pin(17).drive_high()
    assert bench.heard == ["down", "up"]


def test_all_lamps_are_out_at_the_start_and_at_the_end():
    made = Bench()
    assert made.levels() == [0, 0, 0]
    made.panel.show(ALL, dimmed=False)
    made.panel.close()
    assert [made.pin(number).function for number in (22, 23, 24)] == ["input"] * 3


def test_at_night_two_lamps_are_dimmed_and_PLEASE_LOOK_is_not():
    bench = Bench(night="22:00-06:00")
    bench.panel.show(ALL, dimmed=True)
    assert bench.levels() == pytest.approx([0.1, 0.1, 1.0])
    assert bench.pin(22).frequency == 100
    bench.panel.show(NONE, dimmed=True)
    assert bench.levels() == [0, 0, 0]
    assert bench.pin(22).frequency is None
    bench.panel.show(ALL, dimmed=False)
    assert bench.levels() == [1, 1, 1]
    assert bench.pin(22).frequency is None
    bench.panel.close()


def test_the_buzzer_sounds_where_there_is_one(bench):
    bench.panel.sound(on=True)
    loud = Bench(buzzer=25)
    loud.panel.sound(on=True)
    assert loud.pin(25).state
    loud.panel.sound(on=False)
    assert not loud.pin(25).state
    loud.panel.close()


def test_an_error_of_ours_does_not_end_the_thread_of_the_pins(caplog):
    def fail():
        raise ZeroDivisionError

    factory = MockFactory(pin_class=MockPWMPin)
    made = panel.GpioPanel(read(TABLE), fail, lambda: None, factory)
    factory.pin(17).drive_low()
    assert "not understood" in caplog.text
    made.close()


# --- where there are none ------------------------------------------------------------------------


def _no_chip():
    raise OSError("can not open gpiochip")


def _no_pins():
    raise panel.NoPins("This machine has no pins.")


@pytest.mark.parametrize(
    ("pins", "factory", "why", "is_shut"),
    [
        (None, MockFactory, "no \\[panel\\]", False),
        (read(TABLE), _no_pins, "has no pins", False),
        (read(TABLE), _no_chip, "can not open gpiochip", True),
        (read(TABLE), lambda: None, "cannot be used", True),
    ],
)
def test_where_there_are_no_pins_there_is_a_panel_that_says_why(pins, factory, why, is_shut):
    found = panel.opened(pins, print, print, factory)
    assert found.is_shut is is_shut
    assert isinstance(found, panel.NoPanel)
    assert re.search(why, found.why_not)
    found.show(ALL, dimmed=False)
    found.sound(on=True)
    assert not found.is_down()
    found.close()


def test_a_panel_that_opens_half_gives_its_pins_back():
    factory = MockFactory()  # which cannot dim
    found = panel.opened(read(TABLE | {"night": "22:00-06:00"}), print, print, lambda: factory)
    assert isinstance(found, panel.NoPanel)
    again = panel.opened(read(TABLE), print, print, lambda: factory)
    assert not again.why_not
    again.close()


def test_a_pin_that_cannot_be_let_go_does_not_keep_the_others(bench, caplog, monkeypatch):
    def fail():
        raise OSError("GPIO busy")

    monkeypatch.setattr(bench.panel._button, "close", fail)
    bench.panel.close()
    assert "GPIO busy" in caplog.text
    assert bench.factory.pins == {}


_ASK = """
import os, sys
from pathlib import Path
from appliance.core.pins import read
from appliance.hw import panel
os.chdir(sys.argv[1])
pins = read({"button": 17, "led_office": 22, "led_cloud": 23, "led_attention": 24})
found = panel.opened(pins, print, print, panel.of_this_machine)
print(found.is_shut, found.why_not)
"""


def test_D15_lgpio_puts_its_pipe_into_our_own_folder_and_nowhere_else(tmp_path):
    """Where this machine has pins, the panel opens; where it has none, it says so."""
    elsewhere, ours = tmp_path / "elsewhere", tmp_path / "ours"
    elsewhere.mkdir()
    ours.mkdir()
    told = subprocess.run(
        [sys.executable, "-c", _ASK, str(ours)],
        cwd=elsewhere,
        env={"PYTHONPATH": str(Path(panel.__file__).parents[2]), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert list(elsewhere.iterdir()) == []
    assert [path.name for path in ours.iterdir()] == [".lgd-nfy0"]
    assert any(Path("/dev").glob("gpiochip*")) or "False The pins cannot be" in told.stdout


def test_D15_panel_and_process_never_fork_once_the_pins_are_open():
    package = Path(panel.__file__).parents[1]
    for file in (package / "hw" / "panel.py", package / "hw" / "edges.py", package / "panel.py"):
        text = file.read_text()
        assert not re.search(r"\b(subprocess|process\.run|fork|popen|Popen|spawn)\b", text), file


# --- the kernel's edges --------------------------------------------------------------------------


def event(edge, when_ns=1):
    """`struct gpio_v2_line_event`: 1 is a rising edge, 2 a falling one."""
    return struct.pack("=QIIII6I", when_ns, edge, 17, 1, 1, 0, 0, 0, 0, 0, 0)


@pytest.fixture
def line():
    """A line whose edges we write ourselves; what it tells arrives in a queue."""
    reading, writing = os.pipe()
    told: queue.Queue[tuple[bool, int]] = queue.Queue()
    events = edges.Events(reading, lambda is_high, when_ns: told.put((is_high, when_ns)))
    yield writing, told, events
    os.close(writing)


def test_every_edge_is_told_in_its_order(line):
    writing, told, events = line
    os.write(writing, event(2, 10) + event(1, 20) + event(2, 30))
    assert [told.get(timeout=10) for _ in range(3)] == [(False, 10), (True, 20), (False, 30)]
    events.close()


def test_a_line_that_is_closed_tells_nothing_more_and_leaves_no_descriptor(line):
    writing, told, events = line
    handle = events.handle
    events.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)
    assert told.empty()
    with pytest.raises(BrokenPipeError):
        os.write(writing, event(1))


def test_it_can_be_closed_by_whom_it_tells():
    reading, writing = os.pipe()
    closed: queue.Queue[bool] = queue.Queue()
    box = []

    def close(_, __):
        box[0].close()
        closed.put(True)

    box.append(edges.Events(reading, close))
    os.write(writing, event(1))
    assert closed.get(timeout=10)
    box[0]._thread.join(10)
    assert not box[0]._thread.is_alive()
    os.close(writing)


def test_the_request_is_laid_out_as_linux_gpio_h_says():
    """Sizes and offsets as gcc prints them for `struct gpio_v2_line_request`."""
    asked = edges.requested(17, "up")
    assert len(asked) == 592
    assert asked[:8] == b"\x11\0\0\0\0\0\0\0"
    assert asked[256:288].rstrip(b"\0") == b"appliance button"
    (flags,) = struct.unpack_from("=Q", asked, 288)
    assert flags == 0b1_0011_0100  # input, rising, falling, pulled up
    assert struct.unpack_from("=I", asked, 560) == (1,)
    assert edges.GET_LINE == (3 << 30) | (592 << 16) | (0xB4 << 8) | 7
    assert edges.GET_VALUES == (3 << 30) | (16 << 16) | (0xB4 << 8) | 0x0E
    assert edges._EVENT.size == 48


def test_a_chip_that_is_not_there_is_an_error_and_not_a_line(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        edges.Line(tmp_path / "gpiochip9", 17, "up", print)
    (tmp_path / "file").touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="ioctl"):
        edges.Line(tmp_path / "file", 17, "up", print)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
