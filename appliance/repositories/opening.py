"""Which repository this is, and whether it may be written: asked before anything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import DiskAbsent, WrongDisk
from .faults import Faults
from .folder import ConfigKeeper, RepositoryFolder
from .program import BorgProgram, Ended
from .room import Room
from .verdicts import Verb

MOVED = {"BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}
"""Never set for a call that writes (A3): only to adopt, and for a copy that is only read."""

_ALREADY_EXISTS = 10


@dataclass(slots=True)
class Opening:
    """One repository's identity. `noted_id` gives the id noted when it was made or adopted."""

    borg: BorgProgram
    folder: RepositoryFolder | None
    room: Room
    noted_id: Callable[[], str | None]
    read_only: bool
    _made: str | None = None

    @property
    def expected_id(self) -> str | None:
        """The id it must have; None where nobody ever made or adopted it on this box."""
        return self.noted_id() or self._made

    def id(self) -> str:
        """Return the repository's id, proving that it opens and is writable as configured."""
        return self.identified(["--last", "1"])[0]

    def identified(self, arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """As `id`, with what Borg lists of the archives with these arguments."""
        if self.read_only:
            self.present()
        else:
            self.writable()
            self._prove_alive()
        self.borg.test_yourself()
        listed = self.read(Verb.LIST, ["--json", *arguments, self.borg.target()]).json()
        opened = str(listed["repository"]["id"])
        self._expect(opened)
        return opened, listed

    def present(self) -> None:
        """Raise DiskAbsent where it is not there, WrongDisk where another one is."""
        if self.folder:
            self._expect(self._lying_in(self.folder))

    def writable(self) -> None:
        """Raise WrongDisk where writing could reuse encryption counters.

        That is so for a copy of a repository, for one that was never made or adopted here (the
        state folder is new), and where Borg's memory of one we know is gone: Borg itself would
        say nothing (traps A1, A2).
        """
        self._refuse_read_only()
        self.present()
        if self.folder:
            self.folder.refuse_copies()
        if self.expected_id is None:
            raise self._never_noted()
        if not self._remembers(self.expected_id):
            raise WrongDisk(
                f"This box has lost its memory of “{self.borg.name}”.", hint=self._adopting()
            )

    def read(
        self, verb: Verb, arguments: list[str], *, env: Mapping[str, str] | None = None
    ) -> Ended:
        """Run a reading verb."""
        flags = self.lock_flags()

        def read() -> Ended:
            with self.faults.explained():
                return self.borg.run(verb, arguments, flags=flags, env=env)

        return self.borg.with_a_sound_cache(read)

    @property
    def faults(self) -> Faults:
        """Who finds out why a read failed."""
        return Faults(self.borg, self.folder, not self.read_only)

    def lock_flags(self) -> list[str]:
        """Return the flag for reading without a lock, where the filesystem cannot hold one.

        That is a read-only one (A8), or one that is full to the last byte (A9).
        """
        self.present()
        return ["--bypass-lock"] if self.folder and not self.folder.holds_locks() else []

    def make(self) -> str:
        """Make the repository, or adopt the one that is there; return its id."""
        self._refuse_read_only()
        self._made = self._made_or_adopted()
        return self._made

    def take_over(self) -> str:
        """Adopt the one that is there, whose box is gone and may have died while it wrote."""
        folder = self.folder
        if folder is None:
            raise WrongDisk(f"“{self.borg.name}” is not on a disk.")
        self._expect(folder.id())
        folder.refuse_copies()
        arguments = ["--json", "--last", "1", self.borg.target()]
        self.borg.run(Verb.LIST, arguments, flags=["--bypass-lock"], env=MOVED)
        holders = folder.lock_hosts()
        if holders and self.borg.host_id not in holders:
            self.borg.run(Verb.BREAK_LOCK, [self.borg.target()])
        return self.make()

    def _made_or_adopted(self) -> str:
        if self.folder is None:
            return self._make_behind_ssh()
        if self.folder.exists():
            return self._adopt(self.folder)
        if self.expected_id:
            raise DiskAbsent(
                f"“{self.borg.name}” was made already, but is not in its folder now.",
                hint="Plug the disk in. A new disk gets a name of its own in the configuration.",
            )
        self.borg.run(Verb.INIT, ["--encryption", "repokey", self.borg.target()])
        self.room.settle(self.folder)
        return self._opened()

    def _make_behind_ssh(self) -> str:
        """The host's Borg decides on segments and reserve: `borg config` reaches folders only."""
        init = ["--encryption", "repokey", self.borg.target()]
        ended = self.borg.run(Verb.INIT, init, allowed=frozenset({_ALREADY_EXISTS}))
        opened = self._opened(MOVED if ended.code else {})
        self._expect(opened)
        return opened

    def _adopt(self, folder: RepositoryFolder) -> str:
        self._expect(folder.id())
        folder.refuse_copies()
        ConfigKeeper(folder, self.borg.state).bring_back()
        opened = self._opened(MOVED)
        if not self.read(Verb.LIST, ["--short", self.borg.target()]).lines:
            self.room.settle(folder)  # a repository cut off while it was made
        return opened

    def _prove_alive(self) -> None:
        if self.folder:
            self.folder.probe()
            ConfigKeeper(self.folder, self.borg.state).bring_back()
            self.room.keep_reserve(self.folder)

    def _opened(self, env: Mapping[str, str] | None = None) -> str:
        arguments = ["--json", "--last", "1", self.borg.target()]
        return str(self.read(Verb.LIST, arguments, env=env).json()["repository"]["id"])

    def _lying_in(self, folder: RepositoryFolder) -> str:
        try:
            return folder.id()
        except DiskAbsent as error:
            if self.expected_id or self.read_only:
                raise
            raise self._not_made(error.detail) from error

    def _never_noted(self) -> WrongDisk | DiskAbsent:
        if self.folder is None:
            return self._not_made()
        return WrongDisk(
            f"This box does not know the copy that lies where “{self.borg.name}” should be.",
            hint=self._adopting(),
        )

    def _not_made(self, detail: str = "") -> DiskAbsent:
        hint = f"Run `appliance init {self.borg.name}`."
        return DiskAbsent(f"“{self.borg.name}” was not made yet.", hint=hint, detail=detail)

    def _adopting(self) -> str:
        return f"If no other box writes to it, `appliance init {self.borg.name}` adopts it."

    def _expect(self, found: str) -> None:
        expected = self.expected_id
        if expected not in (None, found):
            raise WrongDisk(
                f"Another backup disk lies where “{self.borg.name}” should be.",
                detail=f"expected {expected}, found {found}",
            )

    def _remembers(self, repository_id: str) -> bool:
        memory = self.borg.state / "security" / repository_id
        return memory.is_dir() and any(memory.iterdir())

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise WrongDisk(f"“{self.borg.name}” is opened for reading only.")
