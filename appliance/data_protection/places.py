"""Where it lies, whether it can be read there, and what leaves the box.

Part of the rim.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from ..config import (
    AnySource,
    InboxSource,
    MirrorSection,
    RecipeSource,
    RepositorySection,
    Settings,
    SftpSource,
)
from ..core.forgetting import roughly
from ..core.words import listed

_MESSAGES = (
    "None: it sends no mail and no report. Other programs of the office may ask it how things "
    "stand, if it was given a token for them."
)


def where(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield each place and whether what lies there can be read."""
    for repository in settings.repository:
        yield repository.name, f"{_lies_on(repository)}. Encrypted before it is written there."
    for mirror in settings.mirror:
        yield mirror.name, _cloud(mirror)
    yield "The box itself", " ".join(_on_the_box(settings))
    for source in settings.source:
        if isinstance(source, InboxSource):
            kept = roughly(source.keep_done, exactly=True)
            said = f"What was backed up lies readable in {source.path}/done for {kept}."
            yield source.name, said


def _lies_on(repository: RepositorySection) -> str:
    if repository.disk:
        return "A USB disk of the office"
    if repository.url:
        return f"The server {urlsplit(repository.url).hostname}"
    return f"The folder {repository.path}"


def _cloud(mirror: MirrorSection) -> str:
    return (
        f"A copy of {mirror.repository} in a cloud ({mirror.remote}), encrypted before it leaves "
        "the box: the provider sees sizes and times, and no content."
    )


def _on_the_box(settings: Settings) -> Iterator[str]:
    staging = settings.appliance.staging or settings.state / "staging"
    yield (
        f"While a backup is made or opened, its files lie readable in {staging}, closed to all but "
        "the box's own program, and are wiped then."
    )
    if any(each.disk for each in settings.repository):
        yield "While no disk is here, backups wait there, encrypted."
    yield "What Find knows lies there, encrypted, and forgets what no backup says any more."


def what_leaves(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield whom the box asks and tells, and what."""
    asked = sorted({host for each in settings.source if (host := _host(each))})
    yield "Fetching", f"It asks {listed(asked) or 'nobody'} for exports."
    far = [each.name for each in settings.repository if each.url]
    if copies := [*(each.name for each in settings.mirror), *far]:
        yield "Copies", f"Encrypted, to {listed(copies)}."
    yield "Messages", _MESSAGES


def _host(source: AnySource) -> str:
    if isinstance(source, SftpSource):
        return source.host
    if isinstance(source, RecipeSource):
        return source.vendor
    return "" if isinstance(source, InboxSource) else str(urlsplit(source.url).hostname)
