"""Where the configuration and the worker's socket lie, found without checking the whole file.

Part of the rim, and light: a running worker is asked how things stand in a quarter of a second,
also while somebody is in the middle of editing the file.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

CONFIGURATION = Path("/etc/appliance/appliance.toml")
STATE = Path("/var/lib/appliance")
"""What `config` has for a state folder that is not named; a test holds the two together."""


def configuration(given: str | None = None) -> Path:
    """Given the `--config` option or nothing, return the file to read."""
    return Path(given or os.environ.get("APPLIANCE_CONFIG") or CONFIGURATION)


def socket(configuration: Path) -> Path | None:
    """Given the configuration, return where a worker would answer; None where it cannot be read."""
    try:
        appliance = tomllib.loads(configuration.read_text(encoding="utf-8")).get("appliance", {})
        return Path(appliance.get("state", STATE)) / "worker.sock"
    except (OSError, UnicodeError, ValueError, AttributeError, TypeError):
        return None
