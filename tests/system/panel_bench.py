"""A panel on mock pins whose time goes by as fast as somebody asks for it."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from gpiozero.pins.mock import MockFactory, MockPWMPin

from appliance.core.pins import read
from appliance.core.signals import Lamp
from appliance.front_panel import FrontPanel
from appliance.hw.panel import NoPins
from appliance.panel_map import Known
from tests.fakes import FakeClock
from tests.system.worker import Worker

TABLE = {"button": 17, "led_office": 22, "led_cloud": 23, "led_attention": 24}
PINS = {Lamp.OFFICE: 22, Lamp.CLOUD: 23, Lamp.ATTENTION: 24}
OFF, STEADY, SLOW = (0, False), (0, True), (1, False)


def mock():
    return MockFactory(pin_class=MockPWMPin)


class Bench:
    """A panel on mock pins whose time goes by as fast as somebody asks for it."""

    def __init__(self, **table):
        self.clock = FakeClock()
        self.worker = Worker(self.clock.now)
        self.factories = []
        self.has_pins = True
        self.are_held = False
        self.confirmed = []
        self.sounds = []
        self.front = FrontPanel(
            lambda path: self.worker,
            self.clock,
            self._pins,
            lambda: self.confirmed.append(True),
        )
        self.known = Known(read(TABLE | table), ZoneInfo("Europe/Berlin"), Path("/nowhere"))
        self.front.use(self.known)
        self.wake_ups = 0

    def _pins(self):
        if not self.has_pins:
            raise NoPins("This machine has no pins.")
        if self.are_held:
            raise OSError("GPIO busy")
        self.factories.append(mock())
        return self.factories[-1]

    def pin(self, number):
        return self.factories[-1].pin(number)

    def news(self, **facts):
        self.worker.say(**facts)
        self.front.heard(self.worker.status())

    def press(self):
        self.pin(17).drive_low()

    def release(self):
        self.pin(17).drive_high()

    def hold(self, seconds, news=False):
        self.press()
        seen = self.wait(seconds, news=news)
        self.release()
        self.wait(0.2, news=news)
        self.errands()
        return seen

    def errands(self):
        """What the errands' thread would do by now."""
        while not self.front._errands.empty():
            self.front._run(self.front._errands.get())

    def wait(self, seconds, news=True):
        """Let time go by as the main loop does; return what was seen: time and levels."""
        seen, end = [], self.clock.seconds + seconds
        while True:
            if news and int(self.clock.seconds) % 5 == 0:
                self.front.heard(self.worker.status())
            rest = self.front.draw()
            self.wake_ups += 1
            seen.append((self.clock.seconds, self.levels()))
            self.sounds.append(25 in self.known.pins.pins().values() and self.pin(25).state)
            left = end - self.clock.seconds
            if left <= 0:
                return seen
            step = max(min(rest, left, 1.0 if news else rest), 0.001)
            self.clock.forward(timedelta(seconds=step))

    def wait_in_the_dark(self, seconds):
        """Let time go by where there is no pin to look at."""
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            self.clock.forward(timedelta(seconds=self.front.draw()))

    def levels(self):
        return {lamp: bool(self.pin(number).state) for lamp, number in PINS.items()}

    def seen(self, seconds=12.0, news=True):
        """Look for a while: for each lamp how often it lit up, and how much of the time it was."""
        seen = self.wait(seconds, news=news)
        found = {}
        for lamp in Lamp:
            rises = sum(
                after[lamp] and not before[lamp] for (_, before), (_, after) in pairwise(seen)
            )
            lit = sum((later - at) * levels[lamp] for (at, levels), (later, _) in pairwise(seen))
            found[lamp] = (rises, lit / seconds)
        return found
