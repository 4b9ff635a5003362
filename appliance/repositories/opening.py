"""Which repository this is, and whether it may be written: asked before anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.errors import WrongDisk
from .folder import ConfigKeeper, RepositoryFolder
from .program import BorgProgram, Ended
from .room import Room
from .verdicts import Verb

MOVED = {"BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}
"""Never set for a call that writes (A3): only to adopt, and for a copy that is only read."""

_ALREADY_EXISTS = 10


@dataclass(frozen=True, slots=True)
class Opening:
    """One repository's identity. `expected_id` is the id noted when it was made or adopted."""

    borg: BorgProgram
    folder: RepositoryFolder | None
    room: Room
    expected_id: str | None
    read_only: bool

    def id(self) -> str:
        """Return the repository's id, proving that it opens and is writable as configured."""
        if self.read_only:
            self.present()
        else:
            self.writable()
            self._prove_alive()
        opened = self._opened()
        self._expect(opened)
        return opened

    def present(self) -> None:
        """Raise DiskAbsent where it is not there, WrongDisk where another one is."""
        if self.folder:
            self._expect(self.folder.id())

    def writable(self) -> None:
        """Raise WrongDisk where writing could reuse encryption counters.

        That is so for a copy of a repository, and where Borg's memory of one we know is gone:
        Borg itself would say nothing (traps A1, A2).
        """
        self._refuse_read_only()
        self.present()
        if self.folder:
            self.folder.refuse_copies()
        if self.expected_id and not self._remembers(self.expected_id):
            raise WrongDisk(
                f"This box has lost its memory of “{self.borg.name}”.",
                hint=f"If no other box writes to it, `appliance init {self.borg.name}` adopts it.",
            )

    def read(
        self, verb: Verb, arguments: list[str], *, env: Mapping[str, str] | None = None
    ) -> Ended:
        """Run a reading verb."""
        return self.borg.run(verb, arguments, flags=self.lock_flags(), env=env)

    def lock_flags(self) -> list[str]:
        """Return the flag for reading without a lock, where the filesystem cannot hold one.

        That is a read-only one (A8), or one that is full to the last byte (A9).
        """
        self.present()
        return ["--bypass-lock"] if self.folder and not self.folder.holds_locks() else []

    def make(self) -> str:
        """Make the repository, or adopt the one that is there; return its id."""
        self._refuse_read_only()
        if self.folder is None:
            return self._make_behind_ssh()
        if self.folder.exists():
            return self._adopt(self.folder)
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

    def _opened(self, env: Mapping[str, str] | None = None) -> str:
        arguments = ["--json", "--last", "1", self.borg.target()]
        return str(self.read(Verb.LIST, arguments, env=env).json()["repository"]["id"])

    def _expect(self, found: str) -> None:
        if self.expected_id not in (None, found):
            raise WrongDisk(
                f"Another repository lies where “{self.borg.name}” should be.",
                detail=f"expected {self.expected_id}, found {found}",
            )

    def _remembers(self, repository_id: str) -> bool:
        memory = self.borg.state / "security" / repository_id
        return memory.is_dir() and any(memory.iterdir())

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise WrongDisk(f"“{self.borg.name}” is opened for reading only.")
