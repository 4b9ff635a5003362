"""What the configuration says, and whether the worker's cage lets it do that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..config import MOUNTS, InboxSource, load
from ..core.errors import ConfigError
from ..place import STATE
from .installation import PROGRAM, UNITS, WORKER, Finding, Findings, Installation


def configuration(box: Installation) -> Findings:
    """The file itself, and whether there is anything to do."""
    try:
        settings = load(box.configuration)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("configuration", "bad", str(problem), f"Correct {box.configuration}.")
        return
    if settings.source and settings.repository:
        yield Finding("configuration", "ok", "The configuration has no mistakes.")
        return
    what = "what to fetch" if not settings.source else "where to keep it"
    sentence = f"Nothing is backed up yet: the configuration does not say {what}."
    todo = (
        f"Write it into {box.configuration}; {PROGRAM}/current/image/appliance.toml has examples."
    )
    yield Finding("configuration", "warn", sentence, todo)


def folders(box: Installation) -> Findings:
    """Folders of inboxes, backups and the record that the worker's cage lets it write into."""
    if box.settings is None:
        return
    paths = [each.path for each in box.settings.source if isinstance(each, InboxSource)]
    paths += [each.path for each in box.settings.repository if each.path is not None]
    paths += [each for each in (box.settings.appliance.staging,) if each is not None]
    paths.append(box.settings.state)
    open_to_it = [STATE, *_open_to_the_worker(box)]
    for path in paths:
        if any(path.is_relative_to(folder) for folder in open_to_it):
            yield Finding("folders", "ok", f"The worker may write into {path}.")
        else:
            add = f"`sudo systemctl edit {WORKER}` with: [Service] ReadWritePaths={path}"
            todo = f"Put it below /srv or /mnt, or open it to the worker: {add}"
            yield Finding("folders", "bad", f"The worker may not write into {path}.", todo)


def mounts(box: Installation) -> Findings:
    """Where disks are mounted: systemd lets the worker mount there and nowhere else."""
    if box.settings is None or box.settings.disks.mounts == MOUNTS:
        return
    sentence = f"Disks cannot be mounted in {box.settings.disks.mounts}: the box may not do it."
    todo = f'Write mounts = "{MOUNTS}" below [disks], or leave it out, and pair the disks again.'
    yield Finding("mounts", "bad", sentence, todo)


def _open_to_the_worker(box: Installation) -> Iterator[Path]:
    units = [box.machine.at(UNITS) / WORKER]
    units += sorted((box.machine.at(UNITS) / f"{WORKER}.d").glob("*.conf"))
    for unit in units:
        for line in unit.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "ReadWritePaths":
                yield from (Path(word.lstrip("-+")) for word in value.split())
