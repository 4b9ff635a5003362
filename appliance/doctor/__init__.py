"""What is wrong with an installation: each check looks at one thing and says what to do about it.

Part of the rim. Nothing is changed, and a check that cannot look says so instead of "fine".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.errors import ApplianceError
from ..system.machine import Machine
from . import laid_down, running, settings, surroundings
from .installation import Finding, Findings, Installation

__all__ = ["CHECKS", "Finding", "Installation", "examine"]

CHECKS: tuple[Callable[[Installation], Findings], ...] = (
    laid_down.program,
    laid_down.system_files,
    laid_down.users,
    laid_down.files,
    laid_down.page,
    laid_down.keys,
    laid_down.permissions,
    laid_down.disks,
    settings.configuration,
    settings.folders,
    settings.mounts,
    surroundings.programs,
    surroundings.clock,
    surroundings.host_name,
    surroundings.pins,
    surroundings.watchdog,
    surroundings.memory,
    surroundings.room,
    running.services,
    running.worker,
)


def examine(configuration: Path, machine: Machine | None = None) -> tuple[Finding, ...]:
    """Given the configuration's path, return what every check found, in their order."""
    looked_at = Installation(configuration, machine or Machine())
    return tuple(finding for check in CHECKS for finding in _safely(check, looked_at))


def _safely(check: Callable[[Installation], Findings], box: Installation) -> Findings:
    name = check.__name__
    try:
        yield from check(box)
    except (OSError, ApplianceError, ValueError) as error:
        yield Finding(name, "warn", f"{name.replace('_', ' ').capitalize()}: not seen ({error}).")
