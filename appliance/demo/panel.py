"""The demo's panel: the real one on pins that are not there, on the page and in the terminal.

On the page its lamps shine and its button can be pressed. Where somebody sits at a terminal, the
lamps also shine in its last line, where nothing scrolls, and a key is the button.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from gpiozero.pins.mock import MockFactory, MockPWMPin

from ..core.face import Edge
from ..core.pins import PinMap
from ..core.signals import LAMPS, Lamp
from ..panel import Stop, live
from ..panel_map import MapFile, read

TAP_SECONDS = 0.2
HOLD_SECONDS = 4.2
"""Until the fourth second was counted."""
_KEYS = "[space] taps the button, [h] holds it for four seconds"
_FEWEST_ROWS = 4
_REMEMBERED_EDGES = 200


def is_possible() -> bool:
    """Return whether somebody sits at a terminal that can keep a line at its end."""
    knows_how = os.environ.get("TERM", "dumb") != "dumb"
    return knows_how and sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def shown(configuration: Path) -> Iterator[Pins | None]:
    """Be the panel for the length of the block; yield its pins, None where none is configured.

    Where there is a terminal, it is drawn there too.
    """
    known = read(configuration).pins
    if known is None:
        yield None
        return
    with ExitStack() as until_the_end:
        pins, stop = Pins(known), Stop()
        if is_possible():
            pins.draw = until_the_end.enter_context(_last_line())
            until_the_end.enter_context(_keys_at_once())
            _begin(until_the_end, _finger, stop, pins)
        _begin(until_the_end, live, MapFile(configuration, None), stop, pins.opened)
        until_the_end.callback(stop.ask)
        yield pins


def _begin(until_the_end: ExitStack, work: Callable[..., None], *arguments: Any) -> None:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    until_the_end.callback(thread.join)


class Pins:
    """Mock pins that are drawn whenever one of them changes: a `core.ports.Board`."""

    def __init__(self, pins: PinMap) -> None:
        self.draw: Callable[[str], None] = lambda _: None
        self._button = pins.button
        self._lamps = {
            Lamp.OFFICE: pins.led_office,
            Lamp.CLOUD: pins.led_cloud,
            Lamp.ATTENTION: pins.led_attention,
        }
        self._factory: Any = None
        self._lit = dict.fromkeys(Lamp, False)
        self._edges: deque[Edge] = deque(maxlen=_REMEMBERED_EDGES)
        self._finger = threading.Lock()

    def opened(self) -> Any:
        """Return pins for the panel to open."""
        changed = self._changed

        class Pin(MockPWMPin):  # type: ignore[misc] # gpiozero has no types
            """One that is watched."""

            def _change_state(self, value: float) -> bool:
                is_new = bool(super()._change_state(value))
                if is_new:
                    changed()
                return is_new

        self._factory = MockFactory(pin_class=Pin)
        return self._factory

    def edges(self, since: float) -> tuple[float, Sequence[Edge]]:
        """Return the time, and what lit up and went out since then; first how each lamp is."""
        found = [edge for edge in list(self._edges) if edge.at > since]
        now = monotonic()
        begun = min((edge.at for edge in found), default=now)
        before = self._lit | {edge.lamp: not edge.lit for edge in reversed(found)}
        return now, [*(Edge(begun, lamp, lit) for lamp, lit in before.items()), *found]

    def press(self, seconds: float) -> None:
        """Hold the button for so long; return at once. There is one finger."""
        threading.Thread(target=self.hold, args=(seconds, threading.Event()), daemon=True).start()

    def hold(self, seconds: float, stop: threading.Event) -> None:
        """Hold the button for so long, or until somebody asks to stop."""
        if self._factory is None or not self._finger.acquire(blocking=False):
            return
        try:
            self._factory.pin(self._button).drive_low()
            stop.wait(seconds)
            self._factory.pin(self._button).drive_high()
        finally:
            self._finger.release()

    def _changed(self) -> None:
        levels = {str(pin): bool(pin.state) for pin in list(self._factory.pins.values())}
        lit = {lamp: levels.get(f"GPIO{pin}", False) for lamp, pin in self._lamps.items()}
        now = monotonic()
        self._edges.extend(Edge(now, *one) for one in lit.items() - self._lit.items())
        self._lit = lit
        lamps = "   ".join(f"{'●' if lit[lamp] else '○'} {LAMPS[lamp].label}" for lamp in Lamp)
        self.draw(f" {lamps}      {_KEYS}")


def _finger(stop: Stop, pins: Pins) -> None:
    """Press the button as the keys say."""
    while not stop.asked.is_set():
        if not select.select([sys.stdin], [], [], 0.1)[0]:
            continue
        key = os.read(sys.stdin.fileno(), 1)
        seconds = {b" ": TAP_SECONDS, b"h": HOLD_SECONDS, b"": None}.get(key, 0.0)
        if seconds is None:
            return  # nobody types any more
        if seconds:
            pins.hold(seconds, stop.asked)


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
