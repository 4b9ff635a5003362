"""What the panel knows of the box: its pins, its clock's zone, where the worker answers.

Part of the rim. Read from the configuration whenever that changes, and kept beside it: a file that
somebody broke leaves the lamps as they were, also over a restart, and for the last-resort lamp.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from . import place
from .core import pins
from .core.errors import ApplianceError, ConfigError, Problem
from .core.pins import PinMap
from .system.files import write_durably

KEPT = "panel.json"
_DEFAULT_ZONE = "UTC"
_log = logging.getLogger("appliance")


@dataclass(frozen=True, slots=True)
class Known:
    """What the panel works with."""

    pins: PinMap | None
    """None where no panel is configured."""
    zone: ZoneInfo
    socket: Path


def read(configuration: Path) -> Known:
    """Given the configuration, return what concerns the panel; raise ConfigError.

    The other tables are not looked at: the lamps work while they are being written.
    """
    try:
        return _known(place.tables(configuration), place.socket(configuration))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError([Problem("", f"{configuration} cannot be read: {error}.")]) from None


def _known(tables: Mapping[str, Any], socket: Path | None) -> Known:
    zone = tables.get("appliance", {}).get("timezone", _DEFAULT_ZONE)
    table = tables.get("panel")
    return Known(
        pins.read(table) if table is not None else None,
        _zone(zone),
        socket or place.runtime(place.STATE) / place.SOCKET,
    )


def _zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(name))
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError([Problem("appliance.timezone", f"{error}")]) from None


class MapFile:
    """The configuration as the panel watches it; `kept` is the folder of the last good reading."""

    def __init__(self, configuration: Path, kept: Path | None) -> None:
        self._configuration = configuration
        self._kept = kept / KEPT if kept is not None else None
        self._seen: tuple[int, int, int] | None = None

    def first(self) -> Known:
        """Return what the file says; where it is broken, what it said last; else no panel."""
        return self.changed() or self.last() or _known({}, place.socket(self._configuration))

    def changed(self) -> Known | None:
        """Return what the file says if it is another one than before and is sound, else None."""
        stamp = _stamp(self._configuration)
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            found = read(self._configuration)
        except ConfigError as error:
            _log.warning("configuration=refused the lamps stay as they are: %s", error.message)
            return None
        self._keep(found)
        return found

    def last(self) -> Known | None:
        """Return what the file said when it was last sound; None where nobody knows."""
        try:
            kept = json.loads(self._kept.read_bytes()) if self._kept is not None else None
            return _known(kept, Path(kept["socket"])) if kept is not None else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError):
            return None

    def _keep(self, known: Known) -> None:
        """Write it down unless it stands there already; the lamps work without it too."""
        if self._kept is None or self.last() == known:
            return
        facts: dict[str, Any] = {"appliance": {"timezone": known.zone.key}}
        facts["socket"] = str(known.socket)
        if known.pins is not None:
            facts["panel"] = known.pins.as_table()
        try:
            write_durably(self._kept, json.dumps(facts).encode(), 0o644)
        except ApplianceError as error:
            _log.warning("panel=forgetful its pins could not be noted: %s", error.message)


def kept_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the panel's own folder as systemd made it: for good, or until the next start."""
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        if folder := environment.get(name, "").partition(":")[0]:
            return Path(folder)
    return None


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size
