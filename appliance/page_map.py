"""What the page knows of the box: where it listens, its office, where the worker answers.

Part of the rim. Read from the configuration whenever that changes, and kept beside the page's own
things: a file that somebody broke leaves the page as it was, also over a restart.
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
from .core import address
from .core.address import Address
from .core.errors import ApplianceError, ConfigError, Problem
from .system.files import make_private, write_durably
from .web.office import Office

KEPT = "page.json"
NAME, ZONE = "Office", "UTC"
LISTEN = "0.0.0.0:8080"
"""What `config` has where the file says nothing; a test holds the two together."""
_log = logging.getLogger("appliance")


@dataclass(frozen=True, slots=True)
class Known:
    """What the page works with."""

    listen: Address
    office: Office
    socket: Path


def read(configuration: Path) -> Known:
    """Given the configuration, return what concerns the page; raise ConfigError.

    The other tables are not looked at: the page works while they are being written.
    """
    try:
        return _known(place.tables(configuration), place.socket(configuration))
    except (OSError, ValueError, AttributeError, TypeError, KeyError) as error:
        raise ConfigError([Problem("", f"{configuration} cannot be read: {error}.")]) from None


def _known(tables: Mapping[str, Any], socket: Path | None) -> Known:
    box, web = tables.get("appliance", {}), tables.get("web", {})
    office = Office(
        str(box.get("name", NAME)),
        ZoneInfo(str(box.get("timezone", ZONE))),
        tuple(map(str, web.get("names", ()))),
    )
    listen = address.read(str(web.get("listen", LISTEN)))
    return Known(listen, office, socket or place.runtime(place.STATE) / place.SOCKET)


def defaults() -> Known:
    """Return what holds where nothing is configured."""
    return _known({}, None)


def own_folder(configuration: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the page's own folder: what systemd made, else where it lies on such a box."""
    made = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(made) if made else place.page(place.state(configuration) or place.STATE)


class MapFile:
    """The configuration as the page watches it; `folder` keeps the last good reading."""

    def __init__(self, configuration: Path, folder: Path) -> None:
        self._configuration, self._kept = configuration, folder / KEPT
        self._seen: tuple[int, int, int] | None = None
        self._known = self._last() or _known({}, place.socket(configuration))

    def known(self) -> Known:
        """Return what the file says now; where it is broken, what it said when it was sound."""
        stamp = _stamp(self._configuration)
        if stamp != self._seen:
            self._seen = stamp
            self._look()
        return self._known

    def _look(self) -> None:
        try:
            self._known = read(self._configuration)
        except ConfigError as error:
            _log.warning("configuration=refused the page stays as it is: %s", error.message)
            return
        self._keep(self._known)

    def _last(self) -> Known | None:
        try:
            kept = json.loads(self._kept.read_bytes())
            return _known(kept, Path(kept["socket"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _keep(self, known: Known) -> None:
        """Write it down unless it stands there already; the page works without it too."""
        if self._last() == known:
            return
        facts = {
            "appliance": {"name": known.office.name, "timezone": known.office.zone.key},
            "web": {"listen": str(known.listen), "names": known.office.names},
            "socket": str(known.socket),
        }
        try:
            make_private(self._kept.parent)
            write_durably(self._kept, json.dumps(facts).encode(), 0o600)
        except ApplianceError as error:
            _log.warning("page=forgetful its settings could not be noted: %s", error.message)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size
