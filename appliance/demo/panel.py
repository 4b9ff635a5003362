"""The demo's panel: the real one on pins that are not there, in the terminal's last line.

Its lamps shine where nothing scrolls; its button is a key. Without a terminal there is none.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpiozero.pins.mock import MockFactory, MockPWMPin

from ..core.pins import PinMap
from ..core.signals import LAMPS, Lamp
from ..panel import Stop, live
from ..panel_map import MapFile, read

TAP_SECONDS = 0.2
HOLD_SECONDS = 4.2
"""Until the fourth second was counted."""
_KEYS = "[space] taps the button, [h] holds it for four seconds"
_FEWEST_ROWS = 4


def is_possible() -> bool:
    """Return whether somebody sits at a terminal that can keep a line at its end."""
    knows_how = os.environ.get("TERM", "dumb") != "dumb"
    return knows_how and sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def in_the_terminal(configuration: Path) -> Iterator[None]:
    """Show the panel for the length of the block, where there is a terminal."""
    pins = read(configuration).pins
    if pins is None or not is_possible():
        yield
        return
    stop = Stop()
    with _last_line() as write, _keys_at_once():
        factories = _Pins(pins, write)
        arguments = (MapFile(configuration, None), stop, factories.opened)
        finger = threading.Thread(target=_finger, args=(stop, factories), daemon=True)
        lamps = threading.Thread(target=live, args=arguments, daemon=True)
        lamps.start()
        finger.start()
        try:
            yield
        finally:
            stop.ask()
            lamps.join()
            finger.join()


class _Pins:
    """Mock pins that are drawn whenever one of them changes."""

    def __init__(self, pins: PinMap, write: Callable[[str], None]) -> None:
        self._write = write
        self._button = pins.button
        self._lamps = {
            Lamp.OFFICE: pins.led_office,
            Lamp.CLOUD: pins.led_cloud,
            Lamp.ATTENTION: pins.led_attention,
        }
        self._factory: Any = None

    def opened(self) -> Any:
        """Return pins for the panel to open."""
        drawn = self._draw

        class Pin(MockPWMPin):  # type: ignore[misc] # gpiozero has no types
            """One that is watched."""

            def _change_state(self, value: float) -> bool:
                changed = bool(super()._change_state(value))
                if changed:
                    drawn()
                return changed

        self._factory = MockFactory(pin_class=Pin)
        return self._factory

    def press(self) -> None:
        """Put the finger on the button, once there is one."""
        if self._factory is not None:
            self._factory.pin(self._button).drive_low()

    def release(self) -> None:
        """Take it away."""
        if self._factory is not None:
            self._factory.pin(self._button).drive_high()

    def _draw(self) -> None:
        levels = {str(pin): bool(pin.state) for pin in list(self._factory.pins.values())}
        lit = {lamp: levels.get(f"GPIO{pin}", False) for lamp, pin in self._lamps.items()}
        lamps = "   ".join(f"{'●' if lit[lamp] else '○'} {LAMPS[lamp].label}" for lamp in Lamp)
        self._write(f" {lamps}      {_KEYS}")


def _finger(stop: Stop, pins: _Pins) -> None:
    """Press the button as the keys say."""
    while not stop.asked.is_set():
        if not select.select([sys.stdin], [], [], 0.1)[0]:
            continue
        key = os.read(sys.stdin.fileno(), 1)
        seconds = {b" ": TAP_SECONDS, b"h": HOLD_SECONDS, b"": None}.get(key, 0.0)
        if seconds is None:
            return  # nobody types any more
        if seconds:
            pins.press()
            stop.asked.wait(seconds)
            pins.release()


@contextmanager
def _keys_at_once() -> Iterator[None]:
    """Have keys arrive without Enter and unseen; Ctrl-C still ends everything."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextmanager
def _last_line() -> Iterator[Callable[[str], None]]:
    """Keep the terminal's last line out of what scrolls; yield what writes into it."""
    size = [0, 0]

    def write(text: str) -> None:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        if rows < _FEWEST_ROWS:
            return
        scrolls = "" if [columns, rows] == size else f"\x1b[1;{rows - 1}r"
        size[:] = columns, rows
        _out(f"\x1b7{scrolls}\x1b[{rows};1H\x1b[2K{text[: columns - 1]}\x1b8")

    sys.stdout.flush()
    _out("\n\x1b[1A")  # were we on the last line, what stands there moves up
    try:
        yield write
    finally:
        rows = os.get_terminal_size(sys.stdout.fileno()).lines
        _out(f"\x1b7\x1b[r\x1b[{rows};1H\x1b[2K\x1b8")


def _out(text: str) -> None:
    """In one piece: other threads and programs write here too."""
    os.write(sys.stdout.fileno(), text.encode())
