"""Where the configuration and the worker's socket lie, found without checking the whole file.

Part of the rim, and light: a running worker is asked how things stand in a quarter of a second,
also while somebody is in the middle of editing the file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIGURATION = Path("/etc/appliance/appliance.toml")
STATE = Path("/var/lib/appliance")
"""What `config` has for a state folder that is not named; a test holds the two together."""
RUNTIME = Path("/run/appliance")
SOCKET = "worker.sock"
PAGE = Path("/var/lib/appliance-web")


def configuration(given: str | None = None) -> Path:
    """Given the `--config` option or nothing, return the file to read."""
    return Path(given or os.environ.get("APPLIANCE_CONFIG") or CONFIGURATION)


def runtime(state: Path) -> Path:
    """Given the state folder, return where what lasts until the next start lies.

    An installed box has a folder for it that page and panel may enter; the state folder they may
    not. Anywhere else it is the state folder itself.
    """
    return RUNTIME if state == STATE and RUNTIME.is_dir() else state


def page(state: Path) -> Path:
    """Given the state folder, return the page's own folder: passwords, key, certificate.

    An installed box has one that only the page's user may enter; anywhere else it is a part of the
    state folder.
    """
    return PAGE if state == STATE and PAGE.is_dir() else state / "page"


def socket(configuration: Path) -> Path | None:
    """Given the configuration, return where a worker would answer; None where it cannot be read."""
    folder = state(configuration)
    return None if folder is None else runtime(folder) / SOCKET


def state(configuration: Path) -> Path | None:
    """Given the configuration, return the state folder it names; None where it cannot be read."""
    try:
        return Path(tables(configuration).get("appliance", {}).get("state", STATE))
    except (OSError, ValueError, AttributeError, TypeError):
        return None


def tables(configuration: Path) -> Mapping[str, Any]:
    """Return the file's tables unchecked; raise OSError or ValueError where it cannot be read."""
    return tomllib.loads(configuration.read_text(encoding="utf-8"))
