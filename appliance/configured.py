"""Sources and exports as the configuration has them.

Part of the rim.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from .config import (
    AnySource,
    CommonSource,
    InboxSource,
    RecipeSource,
    Settings,
)
from .core.errors import ApplianceError
from .core.forgetting import leaning
from .core.model import Export, SeenFile
from .core.ports import Layout, Watch
from .exports import erasing
from .exports.layout import ExportFolder
from .exports.manifest import load
from .exports.tables.grouping import TableRule
from .exports.unpack import Limits as UnpackLimits
from .sign_ins import login_of
from .source_settings import Supplies, source_settings
from .sources.child import ChildSource
from .sources.consent import Link, link
from .system.process import Limits

_SECRET = re.compile(r"\$\{secret:([a-z0-9_-]+)\}")
_FOR_A_PERSON, _FOR_A_VENDOR = timedelta(minutes=32), timedelta(seconds=45)
"""How long a sign-in may take: somebody has half an hour to type a code."""


class ConfiguredSource:
    """A source as the configuration has it; its secrets are looked up anew for each pull."""

    def __init__(self, section: AnySource, supplies: Supplies) -> None:
        self._section = section
        self._supplies = supplies

    @property
    def name(self) -> str:
        """The source's name."""
        return self._section.name

    def pull(
        self, into: Path, pulled_at: datetime, seen: Sequence[SeenFile], watch: Watch
    ) -> Export | None:
        """Bring the newest export in a child process; see `core.ports.Source`."""
        return self._child().pull(into, pulled_at, seen, watch)

    def settle(self, export: Export) -> None:
        """Let the source put away what is archived."""
        self._child().settle(export)

    def look(self, watch: Watch) -> tuple[dict[str, Any], ApplianceError | None]:
        """See who answers there and what a pull would take; see `ChildSource.look`."""
        return self._child().look(watch)

    @property
    def signs_in(self) -> bool:
        """Whether a vendor's sign-in server gives what it shows."""
        return login_of(self._section) is not None

    @property
    def bound_to(self) -> str:
        """Of the servers as they are set now: what tells them from others; raise ConfigError."""
        told = source_settings(self._section, self._supplies).get("sign_in_of")
        return str(told.get("bound_to", "")) if isinstance(told, Mapping) else ""

    def sign_in(self, watch: Watch, step: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Sign in and do nothing else; see `sources.child.ChildSource.sign_in`."""
        waits = step is not None and step["do"] == "wait"
        return self._child(_FOR_A_PERSON if waits else _FOR_A_VENDOR).sign_in(watch, step)

    def link_of(self, redirect: str = "") -> Link:
        """Return a link by which somebody signs in; raise ConfigError where the app's id is a
        secret that is missing.
        """
        login = login_of(self._section)
        auth = login.model_dump(exclude_none=True) if login else {}
        found = _SECRET.fullmatch(str(auth.get("client_id", "")))
        if found and isinstance(self._section, RecipeSource):  # elsewhere it is what somebody typed
            auth["client_id"] = self._supplies.secrets.get(found[1])
        return link(auth, redirect)

    def _child(self, at_most: timedelta | None = None) -> ChildSource:
        limits = self._section.limits
        settings = source_settings(self._section, self._supplies)
        within = Limits(at_most) if at_most else Limits(limits.total, limits.idle * 2)
        return ChildSource(self.name, self._section.type, settings, within)


class ConfiguredExports:
    """Lays each export out as its source's settings say.

    `pseudonym_key` is asked for where columns are masked.
    """

    def __init__(self, settings: Settings, pseudonym_key: Callable[[], bytes]) -> None:
        self._by_source = {
            each.name: _export_folder(each, settings, pseudonym_key) for each in settings.source
        }

    def lay_out(self, export: Export, previous: Path | None, work: Path, watch: Watch) -> Layout:
        """See `core.ports.Exports`."""
        return self._by_source[export.source].lay_out(export, previous, work, watch)

    def read(self, archive_root: Path) -> Layout:
        """See `core.ports.Exports`."""
        return ExportFolder().read(archive_root)

    def restore(
        self,
        archive_root: Path,
        into: Path,
        watch: Watch,
        *,
        only: Sequence[str] = (),
        original: bool = False,
    ) -> tuple[Path, ...]:
        """See `core.ports.Exports`."""
        return ExportFolder().restore(archive_root, into, watch, only=only, original=original)

    def holds(
        self, archive_root: Path, is_gone: Callable[[str], bool], work: Path, watch: Watch
    ) -> bool:
        """See `core.ports.Exports`."""
        return erasing.holds(archive_root, is_gone, work, watch)

    def without(
        self,
        archive_root: Path,
        previous: Path | None,
        is_gone: Callable[[str], bool],
        work: Path,
        watch: Watch,
    ) -> Layout:
        """See `core.ports.Exports`."""
        folder = self._by_source.get(load(archive_root)[0].source, ExportFolder())
        return erasing.without(folder, archive_root, previous, is_gone, work, watch)


def _export_folder(
    source: CommonSource, settings: Settings, pseudonym_key: Callable[[], bytes]
) -> ExportFolder:
    limits = UnpackLimits(
        max_bytes=source.limits.unpacked,
        max_members=source.limits.members,
        max_ratio=source.limits.ratio,
        reserve_bytes=settings.appliance.reserve,
    )
    rules = tuple(
        TableRule(each.match, each.id, each.ignore, each.encoding, each.mask, each.drop)
        for each in source.tables
    )
    return ExportFolder(
        limits=limits,
        original=source.original,
        rules=rules,
        comes_in_parts=isinstance(source, InboxSource),
        leans_at_most=leaning(settings.policy(source)),
        pseudonym_key=pseudonym_key,
    )
