"""The configuration: one TOML file, read whole, every problem named at once with its key path.

The only home of pydantic. Secrets never stand in the file: a field that holds one accepts only
`${secret:NAME}` and keeps the NAME.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from .core import schedule
from .core.errors import ConfigError, Problem
from .core.retention import Policy

DEFAULT_PATH = Path("/etc/appliance/appliance.toml")

_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_QUOTE = "'"
_SECRET = re.compile(r"\$\{secret:([a-z0-9_-]+)\}")


def location(given: str | None = None) -> Path:
    """Given the `--config` option or nothing, return the file to read."""
    return Path(given or os.environ.get("APPLIANCE_CONFIG") or DEFAULT_PATH)


def _duration(value: object) -> timedelta:
    """Given "90s", "2m", "6h", "90d" or "2w", return it; raise ValueError otherwise."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", str(value).lower())
    if not found or found[2] not in _UNITS:
        raise ValueError(f'"{value}" is not a time span; write it like "90s", "2m", "6h" or "90d"')
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


def _size(value: object) -> int:
    """Given "500 MB" or "2 GB", return bytes; raise ValueError otherwise."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Z]+)\s*", str(value).upper())
    if not found or found[2] not in _SIZES:
        raise ValueError(f'"{value}" is not a size; write it like "500 MB" or "2 GB"')
    return int(float(found[1]) * _SIZES[found[2]])


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        raise ValueError(f'"{value}" is not a name; use small letters, digits and single hyphens')
    return value


def _secret(value: str) -> str:
    """Given `${secret:NAME}`, return NAME; a secret written in clear is refused."""
    found = _SECRET.fullmatch(value.strip())
    if not found:
        raise ValueError(
            "a secret must not stand in this file; write ${secret:NAME} and put the secret "
            "into the file secrets/NAME in the state folder"
        )
    return found[1]


def _schedule(value: str) -> str:
    schedule.parse(value)
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'"{value}" is not a time zone; write it like "Europe/Berlin"') from None
    return value


def _host_key(value: str) -> str:
    if value and not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}=?", value):
        raise ValueError("a host key is written as SHA256: and 43 characters, as ssh shows it")
    return value


def _without_credentials(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError(f'"{value}" is not a web address; it begins with https://')
    if parts.username or parts.password:
        raise ValueError("a user name or password must not stand in the address; use auth")
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Size = Annotated[int, BeforeValidator(_size)]
Name = Annotated[str, AfterValidator(_name)]
SecretName = Annotated[str, AfterValidator(_secret)]
ScheduleText = Annotated[str, AfterValidator(_schedule)]
Url = Annotated[str, AfterValidator(_without_credentials)]
Port = Annotated[int, Field(ge=1, le=65535)]
Globs = Annotated[tuple[str, ...], Field(min_length=1)]


class Section(BaseModel):
    """A part of the file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class ApplianceSection(Section):
    """What concerns the box as a whole."""

    name: str = "Office"
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
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


class RetentionOverride(Section):
    """What one source changes of the retention."""

    last: int | None = Field(default=None, ge=1)
    daily: int | None = Field(default=None, ge=0)
    weekly: int | None = Field(default=None, ge=0)
    monthly: int | None = Field(default=None, ge=0)
    yearly: int | None = Field(default=None, ge=0)


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


class CommonSource(Section):
    """What every kind of source has."""

    name: Name
    schedule: ScheduleText = "daily at 03:00"
    grace: Duration = timedelta(hours=6)
    original: Literal["keep", "drop"] = "keep"
    retention: RetentionOverride = RetentionOverride()
    limits: LimitsSection = LimitsSection()


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
    host_key: Annotated[str, AfterValidator(_host_key)] = ""
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
    stable_for: Duration = timedelta(seconds=10)


SourceSection = Annotated[SftpSource | HttpSource | InboxSource, Field(discriminator="type")]


class RepositorySection(Section):
    """One Borg repository."""

    name: Name
    path: Path | None = None
    url: str | None = None
    ssh_key_file: Path | None = None
    passphrase: SecretName
    reserve: Size = 2 * 10**9

    @model_validator(mode="after")
    def _lies_in_one_place(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise ValueError("give either path or url")
        if self.url is not None and not re.match(r"ssh://[^/]+/.+", self.url):
            raise ValueError("a url is written like ssh://user@host/./repo")
        if self.path is not None and not self.path.is_absolute():
            raise ValueError("path must begin with /")
        return self


class MirrorSection(Section):
    """A cloud copy of one repository."""

    name: Name
    repository: str
    remote: str
    rclone_config: Path | None = None
    schedule: ScheduleText = "after backup"
    bandwidth: str = ""
    expire: Duration | None = None


class Settings(Section):
    """The whole file."""

    appliance: ApplianceSection = ApplianceSection()
    source: tuple[SourceSection, ...] = ()
    repository: tuple[RepositorySection, ...] = ()
    mirror: tuple[MirrorSection, ...] = ()
    retention: RetentionSection = RetentionSection()

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

    @property
    def socket(self) -> Path:
        """Where the worker answers."""
        return self.state / "worker.sock"

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


def load(path: Path) -> Settings:
    """Given the file's path, return its Settings; raise ConfigError with every problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([Problem("", f"There is no configuration at {path}.")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem("", f"{path} cannot be read: {error}.")]) from None
    return parse(text)


def parse(text: str) -> Settings:
    """Given the file's text, return its Settings; raise ConfigError with every problem."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem("", f"This is not valid TOML: {error}.")]) from None
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigError([_problem(each, raw) for each in error.errors()]) from None
    problems = list(_cross_checks(settings))
    if problems:
        raise ConfigError(problems)
    return settings


def _named(sections: Sequence[_Section], name: str, kind: str) -> _Section:
    for section in sections:
        if section.name == name:
            return section
    names = [section.name for section in sections]
    raise ConfigError([Problem("", f'There is no {kind} named "{name}"{_meant(name, names)}.')])


def _meant(word: str, words: Iterable[str]) -> str:
    """Return ` (did you mean "x"?)`, or the choices where nothing is near."""
    words = list(words)
    near = get_close_matches(word, words, n=1)
    if near:
        return f' (did you mean "{near[0]}"?)'
    return f" (there is {', '.join(words)})" if words else ""


def _problem(error: Any, raw: dict[str, Any]) -> Problem:
    """Given one of pydantic's errors, say it in our words with the key's path."""
    path = _path(error["loc"], raw)
    words = _WORDS.get(error["type"])
    if words is None:
        return Problem(path, str(error["msg"]).removeprefix("Value error, "))
    return Problem(path, words(error))


def _unknown(error: Any) -> str:
    key = str(error["loc"][-1])
    return f"this key is not known{_meant(key, _keys_at(error['loc'][:-1]))}"


_WORDS: dict[str, Callable[[Any], str]] = {
    "extra_forbidden": _unknown,
    "missing": lambda _: "this key is missing",
    "union_tag_invalid": lambda e: f"must be one of {e['ctx']['expected_tags']}",
    "union_tag_not_found": lambda e: (
        f"the key {e['ctx']['discriminator'].strip(_QUOTE)} is missing"
    ),
    "literal_error": lambda e: f"must be {e['ctx']['expected']}",
}


def _path(loc: Sequence[str | int], raw: Any) -> str:
    """Given pydantic's location, return `source.crm-nightly.port` (names instead of numbers)."""
    words: list[str] = []
    here = raw
    for part in loc:
        if (
            isinstance(here, dict)
            and part not in here
            and here.get("type", here.get("kind")) == part
        ):
            continue  # the tag of a union, not a key
        here = _step(here, part)
        named = isinstance(part, int) and isinstance(here, dict) and "name" in here
        words.append(str(here["name"]) if named else str(part))
    return ".".join(words)


def _step(here: Any, part: str | int) -> Any:
    try:
        return here[part]
    except (KeyError, IndexError, TypeError):
        return None


def _keys_at(loc: Sequence[str | int]) -> list[str]:
    """Given the location of a table, return the keys it may have."""
    model: Any = Settings
    for part in loc:
        model = _BY_TAG.get(str(part)) or _BY_KEY.get(str(part)) or model
    return list(model.model_fields)


_BY_KEY: dict[str, type[Section]] = {
    "appliance": ApplianceSection,
    "repository": RepositorySection,
    "mirror": MirrorSection,
    "retention": RetentionSection,
    "limits": LimitsSection,
}
_BY_TAG: dict[str, type[Section]] = {
    "sftp": SftpSource,
    "http": HttpSource,
    "inbox": InboxSource,
    "none": NoAuth,
    "basic": BasicAuth,
    "bearer": BearerAuth,
    "header": HeaderAuth,
    "query": QueryAuth,
    "oauth2": OAuth2Auth,
}


def _cross_checks(settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong between parts that are right by themselves."""
    for kind in ("source", "repository", "mirror"):
        yield from _twice(kind, [section.name for section in getattr(settings, kind)])
    if settings.source and not settings.repository:
        yield Problem("repository", "there is no repository to put backups into")
    for source in settings.source:
        if source.schedule == "after backup":
            yield Problem(f"source.{source.name}.schedule", "only a mirror can run after backup")
    for mirror in settings.mirror:
        yield from _mirror_problems(mirror, settings)


def _mirror_problems(mirror: MirrorSection, settings: Settings) -> Iterator[Problem]:
    where = f"mirror.{mirror.name}.repository"
    known = {repository.name: repository for repository in settings.repository}
    if mirror.repository not in known:
        meant = _meant(mirror.repository, known)
        yield Problem(where, f'there is no repository named "{mirror.repository}"{meant}')
    elif known[mirror.repository].path is None:
        yield Problem(where, "only a repository on this machine can be mirrored, not an ssh:// one")


def _twice(kind: str, names: Sequence[str]) -> Iterator[Problem]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(f"{kind}.{name}.name", f"two {kind}s have this name")
