"""The sources of the file and their keys: what each means and what it is when left out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ..core.errors import ConfigError, did_you_mean
from ..core.recipes import item_name
from . import given, recipes
from .logins import Auth, CardDavAuth, NoAuth, OAuth2Auth
from .recipes import RecipeBody, RecipeFile
from .section import Section
from .values import (
    Days,
    Duration,
    Encoding,
    Globs,
    HostGlob,
    HostKey,
    Name,
    Port,
    ScheduleText,
    SecretName,
    Size,
    Url,
)


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

    @property
    def tables(self) -> tuple[TableSection, ...]:
        """What is known of its tables."""
        return self.table


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


class CardDavSource(CommonSource):
    """The address books on a contacts server."""

    type: Literal["carddav"]
    url: Url
    """The server, an account or one address book there."""
    auth: CardDavAuth = NoAuth()
    hosts: tuple[HostGlob, ...] = ()
    """Further hosts that the address books lie on; they are shown the credentials."""
    ca_file: Path | None = None
    collections: Globs = ("*",)
    """Which address books: by name, by path or by the path's last part."""
    batch: int = Field(default=100, ge=1, le=1000)
    """How many contacts are asked for at once."""


class InboxSource(CommonSource):
    """A folder somebody saves exports into."""

    type: Literal["inbox"]
    path: Path
    pick: Globs = ("*",)
    stable_for: Duration = timedelta(seconds=2)
    keep_done: Duration = timedelta(days=30)
    """How long what was archived stays in `done/` before it is removed."""
    link_hosts: tuple[HostGlob, ...] = ()
    """Where links in the inbox may lead to; without any none is followed."""
    links_last: Duration | None = None
    """How long after it came such a link works, where somebody knows."""
    ca_file: Path | None = None
    """A certificate authority of the office's own, for the servers of links."""

    @model_validator(mode="after")
    def _counts_links_that_it_follows(self) -> Self:
        if not self.link_hosts and (self.links_last or self.ca_file):
            raise ValueError("links_last and ca_file belong to links: name their link_hosts")
        return self


class RecipeSource(CommonSource, RecipeBody):
    """A CRM that is asked by a recipe: one by name, or the steps themselves."""

    model_config = ConfigDict(extra="allow")

    type: Literal["recipe"]
    recipe: str = ""
    """The name of one that is shipped, or a file."""
    only: tuple[str, ...] = ()
    """Which kinds of records, as globs of their names."""
    without: tuple[str, ...] = ()
    """Which ones are left out."""
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _has_what_its_recipe_needs(self) -> Self:
        if bool(self.recipe) == bool(self.step):
            raise ValueError("give recipe, or steps of its own, one of them")
        if self.recipe and any(getattr(self, key) for key in _STEPS_OWN):
            raise ValueError(f"the recipe says {', '.join(_STEPS_OWN)} itself")
        if self.recipe.endswith(".toml") and not self.recipe.startswith("/"):
            raise ValueError(f'"{self.recipe}" is no whole path: it begins with /')
        wrong = [*given.problems(self.file.setting, self.given), *self._unmatched()]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def tables(self) -> tuple[TableSection, ...]:
        """What the office says of its tables, and then what the recipe does."""
        told = [each.model_dump() for each in self.file.table]
        return (*self.table, *(TableSection(**each) for each in told))

    @property
    def given(self) -> dict[str, Any]:
        """What the office gives of the settings that the recipe wants, as it stands in the file."""
        return dict(self.model_extra or {})

    def _unmatched(self) -> Iterator[str]:
        """Yield what names no kind of records, where it is known which there are."""
        each = self.file.each
        if isinstance(each, str):
            return
        names = [item_name(one) for one in each]
        for key, globs in (("only", self.only), ("without", self.without)):
            for glob in globs:
                if not any(fnmatchcase(name, glob) for name in names):
                    yield f'"{glob}" in {key} is no kind of records{did_you_mean(glob, names)}'

    @property
    def login(self) -> OAuth2Auth | None:
        """How it signs in; None where it needs no sign-in server."""
        return given.login(self.file.auth, self.file.setting, self.given)

    @property
    def vendor(self) -> str:
        """Who is asked, as people call it."""
        head = self.file.recipe
        return head.title if head else self.name

    @property
    def file(self) -> RecipeFile:
        """The recipe; raise ValueError where there is none."""
        if not self.recipe:
            return RecipeFile.model_construct(**{key: getattr(self, key) for key in _BODY})
        try:
            return recipes.named(self.recipe)
        except ConfigError as error:
            raise ValueError("; ".join(map(str, error.problems))) from None


_BODY = tuple(RecipeBody.model_fields)
_STEPS_OWN = ("base", "hosts", "auth", "each", "repeat_while", "quota")

AnySource = SftpSource | HttpSource | CardDavSource | InboxSource | RecipeSource
SourceSection = Annotated[AnySource, Field(discriminator="type")]
