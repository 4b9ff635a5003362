"""Three lamps, a button and perhaps a buzzer on the pins of a Pi: the only home of gpiozero.

On a Pi the pins are lgpio's; the demo and the tests hand in gpiozero's own mock. Where there are no
pins there is a `NoPanel`, which says why and does nothing, so that nobody has to ask; where there
are some and they cannot be opened, it says that too.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from gpiozero import LED, PWMLED, Buzzer, DigitalInputDevice

from ..core.pins import PinMap
from ..core.signals import Lamp
from .edges import Line

NIGHT_BRIGHTNESS = 0.1
_PWM_HZ = 100
_log = logging.getLogger(__name__)


class NoPins(Exception):
    """Raised where this machine has no pins at all."""


class Panel(Protocol):
    """What lamps and button can do."""

    @property
    def why_not(self) -> str:
        """Why there is no panel; empty where there is one."""

    @property
    def is_shut(self) -> bool:
        """Whether there are pins for a panel that could not be opened."""

    def show(self, lit: Mapping[Lamp, bool], *, dimmed: bool) -> None:
        """Light these lamps and darken the others; PLEASE LOOK is never dimmed."""

    def sound(self, *, on: bool) -> None:
        """Let the buzzer sound, where there is one."""

    def is_down(self) -> bool:
        """Return whether the button is pressed."""

    def close(self) -> None:
        """Give the pins back; the lamps go out."""


class NoPanel:
    """Where there are no pins, or none that can be opened."""

    def __init__(self, why_not: str, *, is_shut: bool = False) -> None:
        self.why_not = why_not
        self.is_shut = is_shut

    def show(self, lit: Mapping[Lamp, bool], *, dimmed: bool) -> None:
        """Nobody sees it."""

    def sound(self, *, on: bool) -> None:
        """Nobody hears it."""

    def is_down(self) -> bool:
        """Nobody presses it."""
        return False

    def close(self) -> None:
        """There is nothing to give back."""


class GpioPanel:
    """The panel on real pins, or on gpiozero's mock ones.

    `pressed` and `released` are called from a thread of the pin library: they must be quick.
    Whatever goes wrong in them is logged, for it would end that thread.
    """

    why_not = ""
    is_shut = False

    def __init__(
        self,
        pins: PinMap,
        pressed: Callable[[], None],
        released: Callable[[], None],
        factory: Any,
    ) -> None:
        self._factory = factory
        self._devices: list[Any] = []
        try:
            self._lamps = {
                Lamp.OFFICE: self._lamp(pins.led_office, dims=pins.night is not None),
                Lamp.CLOUD: self._lamp(pins.led_cloud, dims=pins.night is not None),
                Lamp.ATTENTION: self._lamp(pins.led_attention),
            }
            self._buzzer = None if pins.buzzer is None else self._opened(Buzzer, pins.buzzer)
            self._button = self._opened(DigitalInputDevice, pins.button, pull_up=True)
        except BaseException:
            self.close()
            raise
        self._button.when_activated = _safely(pressed)
        self._button.when_deactivated = _safely(released)

    def show(self, lit: Mapping[Lamp, bool], *, dimmed: bool) -> None:
        """Light these lamps and darken the others."""
        for lamp, device in self._lamps.items():
            if isinstance(device, PWMLED):
                _set(device, float(lit[lamp]) * (NIGHT_BRIGHTNESS if dimmed else 1.0))
            else:
                device.value = lit[lamp]

    def sound(self, *, on: bool) -> None:
        """Let the buzzer sound, where there is one."""
        if self._buzzer is not None:
            self._buzzer.value = on

    def is_down(self) -> bool:
        """Return whether the button is pressed."""
        return bool(self._button.value)

    def close(self) -> None:
        """Give the pins back; the lamps go out."""
        for each in (*reversed(self._devices), self._factory):
            try:
                each.close()
            except Exception as error:  # noqa: BLE001 - the others are to be let go all the same
                _log.warning("pins=%r could not be let go: %s", each, error)

    def _lamp(self, pin: int, *, dims: bool = False) -> Any:
        lamp = self._opened(PWMLED if dims else LED, pin)
        if dims:
            lamp.frequency = None  # by day it needs no thread that switches it a hundred times
        return lamp

    def _opened(self, kind: Callable[..., Any], pin: int, **how: Any) -> Any:
        device = kind(pin, pin_factory=self._factory, **how)
        self._devices.append(device)
        return device


def opened(
    pins: PinMap | None,
    pressed: Callable[[], None],
    released: Callable[[], None],
    factory: Callable[[], Any],
) -> Panel:
    """Given the pins, return the panel on them, or one that says why there is none."""
    if pins is None:
        return NoPanel("No pins are configured: there is no [panel] in the configuration.")
    try:
        return GpioPanel(pins, pressed, released, factory())
    except Exception as error:  # noqa: BLE001 - whatever a pin library says, the caller decides
        why_not = f"The pins cannot be used: {error or type(error).__name__}"
        return NoPanel(why_not, is_shut=not isinstance(error, NoPins))


def of_this_machine() -> Any:
    """Return the pins of this Pi; raise NoPins where there are none, or what the library says.

    D15: lgpio makes a pipe in its working directory and looks for it in ours.
    """
    os.environ["LG_WD"] = str(Path.cwd())
    import lgpio  # noqa: PLC0415 - it makes its pipe when it is imported
    from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin  # noqa: PLC0415 - as above

    if not any(Path("/dev").glob("gpiochip*")):
        raise NoPins("This machine has no pins.")

    class QuietPin(LGPIOPin):  # type: ignore[misc] # gpiozero has no types
        """Told of edges by the kernel, where that can; see `edges`."""

        _line: Line | None = None

        def _enable_event_detect(self) -> None:
            pull, chip = self._get_pull(), Path(f"/dev/gpiochip{self.factory.chip}")
            lgpio.gpio_free(self.factory._handle, self._number)  # noqa: SLF001 - of our base class
            try:
                self._line = Line(chip, self._number, pull, self._edge)
            except OSError as error:
                _log.warning("button=polled the kernel does not tell its edges: %s", error)
                lgpio.gpio_claim_input(self.factory._handle, self._number)  # noqa: SLF001 - as above
                self._set_pull(pull)
                super()._enable_event_detect()

        def _edge(self, is_high: bool, when_ns: int) -> None:
            self._call_when_changed(self.factory.chip, self._number, int(is_high), when_ns)

        def _disable_event_detect(self) -> None:
            if self._line is None:
                super()._disable_event_detect()
                return
            self._line.close()
            self._line = None
            lgpio.gpio_claim_input(self.factory._handle, self._number)  # noqa: SLF001 - as above

        def close(self) -> None:
            """Let go of the line, which lgpio wants back."""
            if self._line is not None:
                self._line.close()
                self._line = None
            super().close()

        def _get_state(self) -> Any:
            return super()._get_state() if self._line is None else self._line.is_high()

    factory = LGPIOFactory()
    factory.pin_class = QuietPin
    return factory


def _set(lamp: Any, brightness: float) -> None:
    """Dim by switching quickly; fully lit and dark need none of that."""
    dimmed = 0.0 < brightness < 1.0
    if dimmed is (lamp.frequency is None):
        lamp.frequency = _PWM_HZ if dimmed else None
    lamp.value = brightness


def _safely(heard: Callable[[], None]) -> Callable[[], None]:
    def told() -> None:
        try:
            heard()
        except Exception:  # noqa: BLE001 - it must not end the library's thread
            _log.exception("the button was not understood")

    return told
