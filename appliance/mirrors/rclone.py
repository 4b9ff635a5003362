"""A cloud copy of one repository, made by rclone: copied and compared, never synchronised.

Nothing in the cloud is deleted or replaced because of what the disk says (traps B1 to B13):
`rclone copy --immutable` inside `borg with-lock`, under a prefix that is the repository's id.
Only committed segments, `config` and `README` travel; Borg rebuilds the rest.
"""

from __future__ import annotations

import re
import secrets as randomness
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

from ..core.errors import MirrorRefused, MirrorUnreachable, WrongDisk
from ..core.model import COPY_MARKER, Progress, Removal, StepName, Transfer
from ..core.ports import Repository, Watch
from .expiry import plan_removal
from .key import survives
from .messages import Said
from .segments import holds_only_a_lock
from .transfer import Direction, Rclone
from .whole import WHOLE, Whole, numbers_up_to

HASHED_UP_TO_BYTES = 4 << 30
"""Up to here each push compares hashes of all objects, above it hashes of what it sent and sizes
of the others: reading the whole disk every night would take longer than the backup. `compare`
always hashes."""

KEPT_WHOLES = 30
"""How many lists of what was pushed stay in the cloud when old objects expire."""

PROBE = "appliance-probe-"
"""How the objects begin that the box tries its own key on; where they are locked they stay."""

_ID = re.compile(r"[0-9a-f]{64}")
_CONFIG_ID = re.compile(r"^id = ([0-9a-f]{64})\s*$", re.MULTILINE)
_RESERVE = re.compile(r"^additional_free_space = .*\n", re.MULTILINE)
_LOCK_SEGMENTS = 16
"""More segments than `borg with-lock` writes before it commits them (two, in Borg 1.4)."""

_LOCK_COMMIT = 4
"""How far the transaction number moves by `with-lock` alone, at most (three, in Borg 1.4)."""


class RcloneMirror:
    """A `core.ports.Mirror` on any remote that rclone knows.

    `config_password` gives the file that holds the password of an encrypted `rclone_config`.
    """

    def __init__(
        self,
        name: str,
        repository_name: str,
        remote: str,
        rclone_config: Path | None,
        bandwidth: str = "",
        *,
        state: Path,
        expires_after: timedelta | None = None,
        config_password: Callable[[], Path] | None = None,
    ) -> None:
        self._name = name
        self._expires_after = expires_after
        self._repository_name = repository_name
        self._remote = remote.rstrip("/")
        self._rclone = Rclone(name, rclone_config, bandwidth, state, config_password)

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    @property
    def repository(self) -> str:
        """The name of the Repository it copies."""
        return self._repository_name

    # -- up ----------------------------------------------------------------------------------

    def push(self, repository: Repository, watch: Watch) -> Transfer:
        """Copy what is not there yet and compare both sides; delete and replace nothing."""
        folder, identity = self._checked(repository)
        started, said = monotonic(), Said(lambda done, total: _report(watch, done, total))
        task = _Task(
            repository,
            Direction(str(folder), self._at(identity)),
            self._readable_whole(identity, watch),
            with_config=self._sends_config(folder, identity, watch),
        )
        if not self._is_there_already(task, watch):
            done = self._copy_and_compare(task, said, watch)
            done = done or self._copy_and_compare(task, said, watch)
        return Transfer(said.files, said.size_bytes, timedelta(seconds=monotonic() - started))

    def compare(self, repository: Repository, watch: Watch) -> None:
        """Compare hashes of all that was pushed; raise MirrorRefused where the cloud differs.

        It reads the whole repository: for the monthly drill. (Push does so while it is small.)
        """
        folder, identity = self._checked(repository)
        pushed = self._newest_whole(identity, watch).transaction
        whole = Whole(pushed, numbers_up_to(pushed, _segments(folder)))
        names = whole.files(with_config=self._sends_config(folder, identity, watch))
        direction, said = Direction(str(folder), self._at(identity)), Said()
        with self._rclone.only_files(names) as only, self._rclone.patience(said, watch) as patient:
            argv = self._rclone.comparing(direction, only, hashed=True)
            code, _ = repository.with_lock(argv, patient, said.hear)
        self._rclone.judge(code, said, comparing=True)

    def _is_there_already(self, task: _Task, watch: Watch) -> bool:
        """Return whether nothing was written since the last push, and the cloud still has it.

        Each holding of the lock writes a little: without this an unchanged repository would send
        a few files every night. So this compares without a lock.
        """
        last, folder = task.last, Path(task.direction.source)
        if last is None or not _only_locks_since(folder, last):
            return False
        said = Said()
        with self._rclone.only_files(last.files(with_config=task.with_config)) as only:
            argv = self._rclone.comparing(task.direction, only, hashed=_is_small(folder))
            return self._rclone.run(argv, watch, said) == 0 and not said.differing

    def _copy_and_compare(self, task: _Task, said: Said, watch: Watch) -> bool:
        """Copy and compare in one holding of the lock, so that nothing changes between them.

        Return whether it was so: False where somebody wrote before we had the lock.
        """
        folder = Path(task.direction.source)
        committed = _transaction(folder)
        whole = Whole(committed, numbers_up_to(committed, _segments(folder)))
        hashed = _is_small(folder)
        new = () if hashed else whole.since(task.last)
        with self._rclone.hashing(new) as fresh, self._rclone.patience(said, watch) as patient:
            argv = self._rclone.copying_then_comparing(
                task.direction,
                _rules(skipped_above=committed, with_config=task.with_config),
                immutable=True,
                hashed=hashed,
                fresh=fresh,
            )
            code, _ = task.repository.with_lock(argv, patient, said.hear)
        self._rclone.judge(code, said, comparing=said.comparing)
        if _transaction(folder) - committed > _LOCK_COMMIT:
            return False
        at = f"{task.direction.target}/{WHOLE}/{committed}"
        self._rclone.write(at, whole.as_text(), watch)
        return True

    def _checked(self, repository: Repository) -> tuple[Path, str]:
        """Return folder and id of a local repository that proved itself just now."""
        identity, folder = repository.id(), repository.path
        if folder is None:
            raise MirrorRefused(
                f"“{repository.name}” lies on another host and cannot be mirrored from here.",
                hint="Only a disk or a folder of this box can be copied to the cloud from here.",
            )
        if (folder / COPY_MARKER).exists():
            raise WrongDisk(f"“{repository.name}” is itself a cloud copy and is not mirrored.")
        found = _CONFIG_ID.search((folder / "config").read_text(errors="replace"))
        if not found or found[1] != identity:
            raise MirrorRefused(f"The settings of “{repository.name}” name another copy.")
        return folder, identity

    def _sends_config(self, folder: Path, identity: str, watch: Watch) -> bool:
        """Return whether `config` travels: not where the cloud's differs in the reserve alone.

        Raise MirrorRefused where it differs otherwise: it carries the key (A28).
        """
        kept = self._rclone.read(f"{self._at(identity)}/config", watch)
        ours = (folder / "config").read_text(errors="replace")
        if kept is None or kept == ours:
            return True
        if _RESERVE.sub("", kept) == _RESERVE.sub("", ours):
            return False
        found = _CONFIG_ID.search(kept)
        foreign = found is None or found[1] != identity
        what = "another copy's" if foreign else "a different"
        raise MirrorRefused(
            f"The cloud “{self._name}” holds {what} settings file (config) for this copy.",
            hint="Compare both files before anything else; nothing in the cloud was replaced.",
        )

    @property
    def _separator(self) -> str:
        return "" if self._remote.endswith(":") else "/"

    def _at(self, identity: str) -> str:
        return f"{self._remote}{self._separator}{identity}"

    # -- down --------------------------------------------------------------------------------

    def ids(self, watch: Watch) -> tuple[str, ...]:
        """Return the ids of the repositories that the cloud holds."""
        listed = self._rclone.folders(self._remote, watch)
        return tuple(sorted(name for name in listed if _ID.fullmatch(name)))

    def size_bytes(self, repository_id: str | None, watch: Watch) -> int:
        """Return how large the copy is in the cloud, with all that has not expired there."""
        if repository_id is None and not self.ids(watch):
            return 0
        return self._rclone.size_bytes(self._at(repository_id or self._only_id(watch)), watch)

    def fetch(self, repository_id: str | None, into: Path, watch: Watch) -> Path:
        """Bring the whole copy into an empty folder, return where the repository lies in it.

        Only names that Borg gives (`data/N/N`, `config`, `README`) are brought down, and of those
        the ones that made up the repository at the last whole push.
        """
        identity = repository_id or self._only_id(watch)
        target = into / identity
        if any(into.iterdir()) or not _ID.fullmatch(identity):
            raise MirrorRefused("A copy is fetched by its id, and into an empty folder.")
        whole = self._newest_whole(identity, watch)
        said = Said(lambda done, total: _report(watch, done, total))
        with self._rclone.only_files(whole.files()) as only:
            argv = self._rclone.copying_then_comparing(
                Direction(self._at(identity), str(target)), only, immutable=False, hashed=True
            )
            code = self._rclone.run(argv, watch, said)
        self._rclone.judge(code, said, comparing=said.comparing)
        self._prove_fetched(target, identity, whole)
        return target

    def _newest_whole(self, identity: str, watch: Watch) -> Whole:
        """Return the last state that was pushed whole: the cloud also holds what came and went."""
        numbers = self._wholes(identity, watch)
        at = f"{self._at(identity)}/{WHOLE}"
        text = self._rclone.text(f"{at}/{numbers[-1]}", watch) if numbers else None
        if text is None:
            raise MirrorRefused(
                f"The cloud “{self._name}” holds no whole copy under {identity}.",
                hint="The first push never ended; use the copy on a disk.",
            )
        return Whole.from_text(numbers[-1], text)

    def _readable_whole(self, identity: str, watch: Watch) -> Whole | None:
        """As `_newest_whole`; None where there is none, or none that this box wrote."""
        try:
            return self._newest_whole(identity, watch)
        except MirrorRefused:
            return None

    def _wholes(self, identity: str, watch: Watch) -> list[int]:
        listed = self._rclone.files(f"{self._at(identity)}/{WHOLE}/", watch)
        return sorted(int(name) for name in listed if name.isdigit())

    def _only_id(self, watch: Watch) -> str:
        ids = self.ids(watch)
        if len(ids) != 1:
            raise MirrorRefused(
                f"The cloud “{self._name}” holds {len(ids)} copies.",
                hint="Name one of them: " + ", ".join(ids) if ids else "Check the remote's name.",
            )
        return ids[0]

    def _prove_fetched(self, target: Path, identity: str, whole: Whole) -> None:
        lacking = [name for name in whole.files() if not (target / name).is_file()]
        if lacking:
            names = ", ".join(lacking[:5])
            raise MirrorRefused(f"The cloud “{self._name}” lacks {names}.")
        config = target / "config"
        found = _CONFIG_ID.search(config.read_text(errors="replace")) if config.exists() else None
        if not found or found[1] != identity:
            raise MirrorRefused(f"The cloud “{self._name}” holds no whole copy under {identity}.")
        (target / COPY_MARKER).write_text("Read only. A backup into it could reveal its content.\n")

    # -- upkeep ------------------------------------------------------------------------------

    @property
    def expires_after(self) -> timedelta | None:
        """How long the cloud keeps what the repository no longer has; None: for ever."""
        return self._expires_after

    def expire(
        self,
        repository: Repository,
        now: datetime,
        missing_since: Mapping[str, datetime],
        watch: Watch,
    ) -> Removal:
        """Remove from the cloud what the repository has not had for `expires_after`.

        `now` must be a trusted time. `missing_since` is what the last call returned as
        `missing`. Before anything is deleted the repository is read and decrypted whole; never
        more than a fifth of the objects goes at a time, never `config`, never what is newer
        than the repository. Raise MirrorRefused where the disk looks emptied or rolled back.
        """
        if self._expires_after is None:
            return Removal((), {})
        folder, identity = self._checked(repository)
        there = self._rclone.segments(self._at(identity), watch)
        here = _segments(folder)
        plan = plan_removal(there, here, self._expires_after, now, missing_since)
        if plan.removed:
            if not repository.archives():
                raise MirrorRefused("The copy on the disk is empty; nothing is removed for that.")
            repository.check(watch)
        names = [f"data/{name}" for name in plan.removed]
        names += [f"{WHOLE}/{number}" for number in self._wholes(identity, watch)[:-KEPT_WHOLES]]
        if names:
            self._rclone.remove(self._at(identity), names, watch)
        return plan

    def forget(self, repository: Repository, watch: Watch) -> int:
        """Remove what is no part of the last whole push; for erasing alone.

        What the push sent stays whole in the cloud at any moment.
        """
        folder, identity = self._checked(repository)
        whole = self._newest_whole(identity, watch)
        if not repository.archives() or not _segments(folder) >= frozenset(whole.segments):
            raise MirrorRefused("The disk is not what was sent last; nothing is removed for that.")
        repository.check(watch)
        self.compare(repository, watch)
        gone = self._beyond(identity, whole, watch)
        lists = self._wholes(identity, watch)[:-1]
        names = [*(f"data/{name}" for name in gone), *(f"{WHOLE}/{number}" for number in lists)]
        if names:
            self._rclone.remove(self._at(identity), names, watch)
        if self._beyond(identity, whole, watch):
            raise MirrorRefused(
                f"The cloud “{self._name}” does not let go of what was erased.",
                hint="It is locked there: what is left goes when the lock of the bucket ends.",
            )
        return len(names)

    def _beyond(self, identity: str, whole: Whole, watch: Watch) -> list[str]:
        """Return what the cloud has besides a state; raise MirrorRefused where that is newer."""
        beyond = self._rclone.segments(self._at(identity), watch) - frozenset(whole.segments)
        if any(int(name.rpartition("/")[2]) > whole.transaction for name in beyond):
            raise MirrorRefused("The cloud holds newer parts than what was sent last.")
        return sorted(beyond)

    def keeps_what_it_got(self, watch: Watch) -> bool:
        """Try to destroy a small object of ours, and return whether it is still there.

        It stays so where a bucket keeps versions that our key may not delete, or locks them.
        """
        at = f"{self._remote}{self._separator}{PROBE}{randomness.token_hex(4)}"
        return survives(self._rclone, at, watch)


@dataclass(frozen=True, slots=True)
class _Task:
    """One push: what goes where, and what was there after the last one."""

    repository: Repository
    direction: Direction
    last: Whole | None
    with_config: bool


def _rules(skipped_above: int, *, with_config: bool) -> tuple[str, ...]:
    """Return rclone's filter flags: the names that Borg gives to what is committed."""
    numbers = range(skipped_above + 1, skipped_above + 1 + _LOCK_SEGMENTS)
    uncommitted = (f"- /data/*/{number}" for number in numbers)
    config = ("+ /config",) if with_config else ()
    ours = ("+ /data/{{[0-9]+}}/{{[0-9]+}}", *config, "+ /README", "- *")
    return tuple(f"--filter={rule}" for rule in (*uncommitted, *ours))


def _only_locks_since(folder: Path, last: Whole) -> bool:
    """Return whether nothing was done since but to hold the lock."""
    here, known = _segments(folder), frozenset(last.segments)
    new = (folder / "data" / name for name in here - known)
    return known <= here and all(holds_only_a_lock(path) for path in new)


def _transaction(folder: Path) -> int:
    """Return the number of the last committed segment: Borg names its index by it."""
    numbers = [path.suffix[1:] for path in folder.glob("index.*")]
    committed = [int(number) for number in numbers if number.isdigit()]
    if not committed:
        raise MirrorUnreachable(
            "The copy on the disk cannot be sent at the moment.",
            hint="The next backup puts it in order; the cloud copy follows by itself.",
            detail="the repository has no index",
        )
    return max(committed)


def _segments(folder: Path) -> frozenset[str]:
    found = (folder / "data").glob("*/*")
    return frozenset(f"{path.parent.name}/{path.name}" for path in found if path.name.isdigit())


def _is_small(folder: Path) -> bool:
    size_bytes = sum(path.stat().st_size for path in (folder / "data").glob("*/*"))
    return size_bytes <= HASHED_UP_TO_BYTES


def _report(watch: Watch, done: int, total: int) -> None:
    """Pass on progress; never raise: this runs where nobody could catch it."""
    watch.progress(Progress(StepName.MIRROR, done, total or None))
