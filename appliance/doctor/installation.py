"""An installation as the checks look at it, and what a check finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from .. import place
from ..config import RepositorySection, Settings, load
from ..core.errors import ConfigError
from ..system.machine import Machine

PROGRAM = Path("/opt/appliance")
UNITS = Path("/etc/systemd/system")
WORKER, PANEL = "appliance-worker.service", "appliance-panel.service"
WEB = "appliance-web.service"
AGAIN = "Run `sudo make install` again in the folder that you installed from."


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found: in order, worth knowing, or to be put right."""

    name: str
    state: Literal["ok", "warn", "bad"]
    sentence: str
    todo: str = ""


Findings = Iterator[Finding]


class Installation:
    """What the checks look at."""

    def __init__(self, configuration: Path, machine: Machine) -> None:
        self.configuration = configuration
        self.machine = machine

    @cached_property
    def settings(self) -> Settings | None:
        """The configuration, where it can be used; another check says what is wrong with it."""
        with suppress(ConfigError):
            return load(self.configuration)
        return None

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.machine.at(place.state(self.configuration) or place.STATE)

    @property
    def shipped(self) -> Path:
        """The system files as this release has them."""
        return self.machine.at(PROGRAM) / "current" / "systemd"

    @property
    def disks(self) -> tuple[RepositorySection, ...]:
        """The USB disks that the configuration names."""
        sections = self.settings.repository if self.settings else ()
        return tuple(each for each in sections if each.disk is not None)
