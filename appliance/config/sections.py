"""The tables of the file and their keys: what each means and what it is when left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..core import pins
from ..core.errors import ConfigError, Problem, did_you_mean
from ..core.retention import Policy
from ..core.schedule import parse as parse_schedule
from .values import (
    DayPart,
    Days,
    DiskUuid,
    Duration,
    Encoding,
    Globs,
    HostKey,
    Listen,
    Name,
    Pin,
    Port,
    Remote,
    ScheduleOrNever,
    ScheduleText,
    SecretName,
    Size,
    Url,
    Zone,
)


def _one_line(value: str) -> str:
    """Return what begins the subject of each message; raise ValueError where that is no line."""
    if not value.isprintable():
        raise ValueError("it must be one line of letters, digits and signs")
    return value


class Section(BaseModel):
    """A part of the file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, defer_build=True)


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


class RetentionOverride(Section):
    """What one source changes of the retention."""

    last: int | None = Field(default=None, ge=1)
    daily: int | None = Field(default=None, ge=0)
    weekly: int | None = Field(default=None, ge=0)
    monthly: int | None = Field(default=None, ge=0)
    yearly: int | None = Field(default=None, ge=0)
    at_most: Days | None = None


class LimitsSection(Section):
    """What an export may not exceed: bombs and mistakes stop here."""

    size: Size = 20 * 10**9
    """Of what is pulled."""
    unpacked: Size = 100 * 10**9
    members: int = Field(default=100_000, ge=1)
    ratio: int = Field(default=1000, ge=2)
    total: Duration = timedelta(hours=6)
    idle: Duration = timedelta(minutes=2)
    rate: Size = 1000
    """Bytes per second, below which a transfer is given up after five minutes."""


class TableSection(Section):
    """What is to be known of a table beyond what it says itself."""

    match: str = Field(min_length=1)
    """Which files: a path, a glob, or words of the name."""
    id: tuple[str, ...] = ()
    """Its id column; of several names the first that the table has."""
    ignore: tuple[str, ...] = ()
    """Columns that change by themselves."""
    encoding: Encoding = "cp1252"
    """What the files are where they are not UTF-8."""
    mask: tuple[str, ...] = ()
    """Columns that are stored as pseudonyms alone."""
    drop: tuple[str, ...] = ()
    """Columns that are not stored at all."""


class CommonSource(Section):
    """What every kind of source has."""

    name: Name
    schedule: ScheduleText = "daily at 03:00"
    grace: Duration = timedelta(hours=6)
    original: Literal["keep", "drop"] = "keep"
    retention: RetentionOverride = RetentionOverride()
    limits: LimitsSection = LimitsSection()
    table: tuple[TableSection, ...] = ()


class SftpSource(CommonSource):
    """A folder on an SFTP server."""

    type: Literal["sftp"]
    host: str
    port: Port = 22
    user: str
    password: SecretName | None = None
    key: SecretName | None = None
    key_file: Path | None = None
    key_passphrase: SecretName | None = None
    host_key: HostKey = ""
    path: str = "."
    pick: Globs = ("*",)
    newest: int = Field(default=1, ge=0)
    stable_for: Duration = timedelta(minutes=2)

    @model_validator(mode="after")
    def _has_one_login(self) -> Self:
        if not (self.password or self.key or self.key_file):
            raise ValueError("one of password, key or key_file is needed to log in")
        if self.key and self.key_file:
            raise ValueError("give key or key_file, not both")
        return self


class NoAuth(Section):
    """Nothing is asked."""

    kind: Literal["none"] = "none"


class BasicAuth(Section):
    """User name and password."""

    kind: Literal["basic"]
    user: str
    password: SecretName


class BearerAuth(Section):
    """A token in the Authorization header."""

    kind: Literal["bearer"]
    token: SecretName


class HeaderAuth(Section):
    """A key in a header of the vendor's own."""

    kind: Literal["header"]
    name: str
    value: SecretName


class QueryAuth(Section):
    """A key in the address."""

    kind: Literal["query"]
    name: str
    value: SecretName


class OAuth2Auth(Section):
    """A token fetched for each pull."""

    kind: Literal["oauth2"]
    grant: Literal["client_credentials", "refresh_token"]
    token_url: Url
    client_id: str
    client_secret: SecretName | None = None
    refresh_token: SecretName | None = None
    scope: str = ""
    client_auth: Literal["basic", "body"] = "basic"

    @model_validator(mode="after")
    def _has_what_its_grant_needs(self) -> Self:
        needed = "refresh_token" if self.grant == "refresh_token" else "client_secret"
        if getattr(self, needed) is None:
            raise ValueError(f"grant {self.grant} needs {needed}")
        return self


Auth = Annotated[
    NoAuth | BasicAuth | BearerAuth | HeaderAuth | QueryAuth | OAuth2Auth,
    Field(discriminator="kind"),
]


class HttpSource(CommonSource):
    """One address on a web server."""

    type: Literal["http"]
    url: Url
    auth: Auth = NoAuth()
    hosts: tuple[str, ...] = ()
    """Further hosts that a redirect may lead to, without credentials."""
    credential_hosts: tuple[str, ...] = ()
    """Further hosts that may be shown the credentials."""
    ca_file: Path | None = None
    file_name: str = ""


class InboxSource(CommonSource):
    """A folder somebody saves exports into."""

    type: Literal["inbox"]
    path: Path
    pick: Globs = ("*",)
    stable_for: Duration = timedelta(seconds=2)
    keep_done: Duration = timedelta(days=30)
    """How long what was archived stays in `done/` before it is removed."""


SourceSection = Annotated[SftpSource | HttpSource | InboxSource, Field(discriminator="type")]


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

    def source_named(self, name: str) -> SftpSource | HttpSource | InboxSource:
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
