"""The only place that starts Borg: its environment, its passphrase, its messages, its end."""

from __future__ import annotations

import json
import re
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from threading import Event
from typing import Any

from ..core.errors import ApplianceError, DiskAbsent, RepositoryDamaged, ToolFailed
from ..core.ports import Watch
from ..system import process
from ..system.json_lines import object_in
from .verdicts import SENTENCES, AccessAborted, Verb, verdict

OLDEST_BORG = (1, 4, 5)
"""CVE-2026-62268 on extract, related repositories, the passphrase by file descriptor."""

LOCK_WAIT_SECONDS = 5
SILENCE = timedelta(hours=1)
"""Longer without a sign of life is a hung disk or line, however large the repository."""

SILENCE_UNDER_LOCK = timedelta(minutes=30)
"""The same for a program that keeps everybody else out meanwhile."""

_tested_itself = Event()
"""Set once Borg has begun a call with the test of its own ciphers and chunker. Until a repository
is opened anew it then leaves that out: it is a quarter of each start. (Borg's manual recommends
so only to large providers, and only after a test; we test once a repository and Run.)"""

_MAY_BE_THE_CACHE = frozenset({ToolFailed, RepositoryDamaged, AccessAborted})
"""What a torn or a foreign cache makes of a call; other kinds of them have reasons of their own."""
_FAR = (
    "Check that the host is on and lets us in. Is its key new, or was it changed? "
    "`appliance trust {name}` shows it."
)
_ERROR_LEVELS = frozenset({"ERROR", "CRITICAL"})
_KEPT_MESSAGES = 20


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call of Borg ended: its exit code, the lines it printed, its last messages."""

    code: int
    lines: tuple[str, ...]
    detail: str = ""

    def json(self) -> dict[str, Any]:
        """Return what it printed as the one JSON object it is; raise ToolFailed otherwise."""
        try:
            parsed = json.loads("\n".join(self.lines))
        except ValueError as error:
            raise ToolFailed(
                "The answer of the backup program could not be read.", detail=str(error)
            ) from error
        if not isinstance(parsed, dict):
            raise ToolFailed(
                "The answer of the backup program could not be read.", detail="not an object"
            )
        return parsed


class Messages:
    """Listens to Borg's `--log-json` stream; takes any byte sequence."""

    def __init__(
        self,
        on_progress: Callable[[Mapping[str, Any]], None] | None = None,
        on_other: Callable[[str], None] | None = None,
    ) -> None:
        self.error_ids: list[str] = []
        self._said: deque[str] = deque(maxlen=_KEPT_MESSAGES)
        self._on_progress = on_progress
        self._on_other = on_other

    def hear(self, line: str) -> None:
        """Take one line: an error, progress, or something that is not Borg's."""
        message = parse(line)
        if message is None:
            self._hear_other(line)
        elif message["type"] == "log_message":
            self._hear_log(message)
        elif self._on_progress:
            self._on_progress(message)

    def _hear_log(self, message: Mapping[str, Any]) -> None:
        self._said.append(str(message.get("message", "")).strip()[:2000])
        if message.get("levelname") in _ERROR_LEVELS and message.get("msgid"):
            self.error_ids.append(str(message["msgid"]))

    def _hear_other(self, line: str) -> None:
        self._said.append(line[:2000])
        if self._on_other:
            self._on_other(line)

    @property
    def detail(self) -> str:
        """The last messages, for the log."""
        return "\n".join(said for said in self._said if said)


def parse(line: str) -> dict[str, Any] | None:
    """Given a line, return Borg's message in it, None where it is none."""
    message = object_in(line)
    return message if message and isinstance(message.get("type"), str) else None


@lru_cache(maxsize=4)
def checked_borg(path: str, *, asking: bool = False) -> str:
    """Given Borg's path, return it; raise ToolFailed where it is older than 1.4.5 or no 1.x.

    `asking` starts it to hear its version, whatever was installed (the daemon does so once).
    """
    known = "" if asking else process.installed_version(path, "borgbackup")
    said = known or _version_it_tells(path)
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)[a-z0-9.]*", said)
    version = tuple(int(part) for part in found.groups()) if found else (0, 0, 0)
    if not OLDEST_BORG <= version < (2, 0, 0):
        raise ToolFailed(
            "The installed backup program is not one that this box can trust.",
            hint="Run `make install`: it brings the right one.",
            detail=f"{path}: {said or 'no answer'}",
        )
    return path


def _version_it_tells(path: str) -> str:
    said: list[str] = []
    process.run(
        [path, "--version"], on_line=said.append, limits=process.Limits(timedelta(minutes=1))
    )
    return said[0].removeprefix("borg ") if said else ""


def escaped(text: str) -> str:
    """Return text that Borg's placeholders (`{now}`) leave alone."""
    return text.replace("{", "{{").replace("}", "}}")


@dataclass(frozen=True, slots=True)
class BorgProgram:
    """Borg, pointed at one repository."""

    name: str
    location: str
    passphrase: Callable[[], str]
    state: Path
    host_id: str
    ssh_command: str | None = None
    remote_borg: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    def target(self, archive: str = "") -> str:
        """Return the repository, or an archive in it, as Borg's command line wants it."""
        return escaped(self.location + (f"::{archive}" if archive else ""))

    def argv(self, verb: Verb, arguments: Sequence[str], flags: Sequence[str] = ()) -> list[str]:
        """Return the command line; nothing secret is in it."""
        borg = checked_borg(process.find("borg"))
        wait = ["--lock-wait", str(LOCK_WAIT_SECONDS)]
        return [borg, "--log-json", *wait, *flags, verb.value, *arguments]

    def environment(self) -> dict[str, str]:
        """Return Borg's environment: no blanket answers, one home, one host id, UTC."""
        env = {
            "BORG_BASE_DIR": str(self.state),
            "BORG_SECURITY_DIR": str(self.state / "security"),
            # The chunk cache stays in the state folder: with no copies per archive it is 44 bytes
            # per chunk (about a megabyte for 50 GB), so disks stay clean and the card unworn.
            "BORG_CACHE_DIR": str(self._cache),
            "BORG_USE_CHUNKS_ARCHIVE": "no",
            "BORG_EXIT_CODES": "modern",
            "BORG_HOST_ID": self.host_id,
            "BORG_SHOW_SYSINFO": "no",
            "TZ": "UTC",
        }
        if _tested_itself.is_set():
            env["BORG_SELFTEST"] = "disabled"
        if self.ssh_command:
            env["BORG_RSH"] = self.ssh_command
        if self.remote_borg:
            env["BORG_REMOTE_PATH"] = self.remote_borg
        return env | dict(self.extra)

    def run(
        self,
        verb: Verb,
        arguments: Sequence[str],
        watch: Watch | None = None,
        *,
        flags: Sequence[str] = (),
        cwd: Path | None = None,
        stdin: bytes | None = None,
        messages: Messages | None = None,
        env: Mapping[str, str] | None = None,
        allowed: frozenset[int] = frozenset(),
    ) -> Ended:
        """Run Borg to its end and return what it printed.

        Raise the error of the verdict table unless the code is 0 or in `allowed`.
        """
        lines: list[str] = []
        messages = messages or Messages()
        result = process.run(
            self.argv(verb, arguments, flags),
            on_line=lines.append,
            env=self._prepared() | dict(env or {}),
            cwd=cwd,
            stdin=stdin,
            secrets={"BORG_PASSPHRASE_FD": self.passphrase()},
            on_error_line=messages.hear,
            limits=process.Limits(idle=SILENCE),
            watch=watch,
        )
        if result.code not in allowed:
            self.judge(verb, result.code, messages)
        _tested_itself.set()
        return Ended(result.code, tuple(lines), messages.detail)

    def with_a_sound_cache(
        self, call: Callable[[], Ended], may_repeat: Callable[[], bool] = lambda: True
    ) -> Ended:
        """Make a call that uses Borg's chunk cache; where it fails, once more without the cache.

        A power cut may leave a torn one, over which Borg stumbles for ever (A27). It is only a
        cache: what guards against a wrong or older copy lies in the security folder, and stays.
        A full or dead disk, and whatever else has a name of its own, is no fault of the cache.
        """
        try:
            return call()
        except (ToolFailed, RepositoryDamaged, AccessAborted) as error:
            if type(error) not in _MAY_BE_THE_CACHE or not self._cache.exists() or not may_repeat():
                raise
            shutil.rmtree(self._cache, ignore_errors=True)
            if self._cache.exists():
                raise
            return call()

    def test_yourself(self) -> None:
        """Have Borg begin its next call with the test of its ciphers."""
        _tested_itself.clear()

    @property
    def _cache(self) -> Path:
        return self.state / "cache"

    @contextmanager
    def reading(
        self, verb: Verb, arguments: Sequence[str], flags: Sequence[str], watch: Watch
    ) -> Iterator[tuple[process.Running, Messages]]:
        """Start Borg for a caller who reads its output and then asks `judge`."""
        messages = Messages()
        with process.started(
            self.argv(verb, arguments, flags),
            env=self._prepared(),
            secrets={"BORG_PASSPHRASE_FD": self.passphrase()},
            on_error_line=messages.hear,
            limits=process.Limits(idle=SILENCE),
            watch=watch,
        ) as running:
            yield running, messages

    def holding_lock(
        self, argv: Sequence[str], watch: Watch, on_line: Callable[[str], None]
    ) -> tuple[int, Messages]:
        """Run another program inside `borg with-lock`; both its streams go to `on_line`.

        Borg is not given the passphrase: the lock needs none, and the program must not see it.
        """
        messages = Messages(on_other=on_line)
        result = process.run(
            self.argv(Verb.WITH_LOCK, [self.target(), "--", *argv]),
            on_line=on_line,
            env=self._prepared(),
            on_error_line=messages.hear,
            limits=process.Limits(idle=SILENCE_UNDER_LOCK),
            watch=watch,
        )
        return result.code, messages

    def judge(self, verb: Verb, code: int, messages: Messages) -> None:
        """Raise what the verdict table says about this end, nothing where it is good."""
        kind = verdict(verb, code, tuple(messages.error_ids))
        if kind is not None:
            raise self.failure(kind, f"borg {verb} ended with {code}\n{messages.detail}")

    def failure(self, kind: type[ApplianceError], detail: str = "") -> ApplianceError:
        """Return an error of this kind in words for this repository."""
        hint = _FAR.format(name=self.name) if kind is DiskAbsent and self.ssh_command else None
        return kind(SENTENCES[kind].format(name=self.name), hint=hint, detail=detail)

    def _prepared(self) -> dict[str, str]:
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.environment()
