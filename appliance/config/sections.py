"""The tables of the file and their keys: what each means and what it is when left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Protocol, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from ..core import pins
from ..core.errors import ConfigError, Problem, did_you_mean
from ..core.retention import Policy
from ..core.schedule import parse as parse_schedule
from .section import Section
from .sources import AnySource, CommonSource, SourceSection
from .values import (
    DayPart,
    Days,
    DiskUuid,
    Duration,
    Listen,
    Name,
    Pin,
    Remote,
    ScheduleOrNever,
    ScheduleText,
    SecretName,
    Size,
    Zone,
)


def _one_line(value: str) -> str:
    """Return what begins the subject of each message; raise ValueError where that is no line."""
    if not value.isprintable():
        raise ValueError("it must be one line of letters, digits and signs")
    return value


class ApplianceSection(Section):
    """What concerns the box as a whole."""

    name: Annotated[str, AfterValidator(_one_line)] = "Office"
    timezone: Zone = "UTC"
    state: Path = Path("/var/lib/appliance")
    staging: Path | None = None
    reserve: Size = 512 * 10**6
    """Room that is left free where exports are staged."""


class RetentionSection(Section):
    """How many good archives stay, by period."""

    last: int = Field(default=7, ge=1)
    daily: int = Field(default=30, ge=0)
    weekly: int = Field(default=12, ge=0)
    monthly: int = Field(default=24, ge=0)
    yearly: int = Field(default=7, ge=0)
    at_most: Days | None = None
    """How old an archive gets, whatever the numbers say and also if it is held."""


class RepositorySection(Section):
    """One Borg repository."""

    name: Name
    disk: DiskUuid | None = None
    """The filesystem UUID of a USB disk, as `appliance disk pair` wrote it."""
    serial: str = ""
    """The serial number that the disk shows, where it shows one."""
    path: Path | None = None
    url: str | None = None
    ssh_key_file: Path | None = None
    passphrase: SecretName
    reserve: Size | None = None
    """Room left free on the disk; left out, a twentieth of it, 2 GB at most."""

    @model_validator(mode="after")
    def _lies_in_one_place(self) -> Self:
        if [self.disk, self.path, self.url].count(None) != 2:
            raise ValueError("give one of disk, path or url")
        if self.serial and self.disk is None:
            raise ValueError("serial belongs to a disk")
        if self.url is not None and not re.match(r"ssh://[^/]+/.+", self.url):
            raise ValueError("a url is written like ssh://user@host/./repo")
        if self.path is not None and not self.path.is_absolute():
            raise ValueError("path must begin with /")
        return self


class MirrorSection(Section):
    """A cloud copy of one repository."""

    name: Name
    repository: str
    remote: Remote
    rclone_config: Path | None = None
    rclone_config_password: SecretName | None = None
    """Where that file is encrypted (`rclone config encryption set`)."""
    schedule: ScheduleText = "after backup"
    bandwidth: str = ""
    expire: Duration | None = None


MOUNTS = Path("/mnt/appliance")
"""Where an installed box may mount disks: polkit's rule knows the units of these places alone."""


class DisksSection(Section):
    """Disks that take turns."""

    remind: ScheduleText | None = None
    """When the office is asked to bring the disk that is away."""
    grace: Duration = timedelta(days=14)
    """How many days the office would be ready to lose: a disk may be away so long."""
    mounts: Path = MOUNTS
    """Where each disk is mounted, in a folder of its name, while it is used."""


class PanelSection(Section):
    """Three lamps and a button, by BCM number."""

    button: Pin
    led_office: Pin
    led_cloud: Pin
    led_attention: Pin
    buzzer: Pin | None = None
    quiet: DayPart | None = None
    """When the buzzer keeps still."""
    night: DayPart | None = None
    """When OFFICE COPY and CLOUD COPY are dimmed."""

    @model_validator(mode="after")
    def _has_each_pin_once(self) -> Self:
        if found := pins.used_twice(dict(self)):
            raise ValueError(found[0])
        return self


class MessagesSection(Section):
    """Messages when a person is needed."""

    to: tuple[SecretName, ...] = Field(default=(), max_length=10)
    """Addresses, each a secret."""
    weekly: ScheduleOrNever = "weekly on mon at 08:00"
    """When the word that all is well goes out; empty: never."""
    quiet: DayPart | None = None
    """When only what cannot wait is said."""

    @model_validator(mode="after")
    def _has_each_address_once(self) -> Self:
        if len(set(self.to)) < len(self.to):
            raise ValueError("to names one address twice")
        if self.weekly and parse_schedule(self.weekly).after_backup:
            raise ValueError('weekly needs a time of its own, like "weekly on mon at 08:00"')
        return self


class WebSection(Section):
    """The page."""

    listen: Listen = "0.0.0.0:8080"
    names: tuple[str, ...] = ()
    """Further names that the office's router or name server gives the box."""


class Settings(Section):
    """The whole file."""

    appliance: ApplianceSection = ApplianceSection()
    source: tuple[SourceSection, ...] = ()
    repository: tuple[RepositorySection, ...] = ()
    mirror: tuple[MirrorSection, ...] = ()
    retention: RetentionSection = RetentionSection()
    disks: DisksSection = DisksSection()
    panel: PanelSection | None = None
    web: WebSection = WebSection()
    messages: MessagesSection = MessagesSection()

    @property
    def zone(self) -> ZoneInfo:
        """The office's time zone."""
        return ZoneInfo(self.appliance.timezone)

    @property
    def state(self) -> Path:
        """The folder of ledger, secrets and known hosts."""
        return self.appliance.state

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.state / "ledger.sqlite"

    def source_named(self, name: str) -> AnySource:
        """Given a name, return the source; raise ConfigError naming the nearest ones."""
        return _named(self.source, name, "source")

    def repository_named(self, name: str) -> RepositorySection:
        """Given a name, return the repository; raise ConfigError naming the nearest ones."""
        return _named(self.repository, name, "repository")

    def mirror_named(self, name: str) -> MirrorSection:
        """Given a name, return the mirror; raise ConfigError naming the nearest ones."""
        return _named(self.mirror, name, "mirror")

    def policy(self, source: CommonSource) -> Policy:
        """Given a source, return its retention: its own numbers over the common ones."""
        own = source.retention.model_dump(exclude_none=True)
        return Policy(**(self.retention.model_dump() | own))


class _HasName(Protocol):
    @property
    def name(self) -> str: ...


_Section = TypeVar("_Section", bound=_HasName)


def _named(sections: Sequence[_Section], name: str, kind: str) -> _Section:
    for section in sections:
        if section.name == name:
            return section
    names = [section.name for section in sections]
    raise ConfigError(
        [Problem("", f'There is no {kind} named "{name}"{did_you_mean(name, names)}.')]
    )
