"""The only place that starts rclone: its flags, its messages, its exit codes.

Codes (rclone's documentation, measured in traps M19 to M21): 0 good; 1 and 5 try again; 3 no such
folder, 4 no such file; 6 a name is taken by other content; 7 fatal. Anything else is a failure.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

from ..core.errors import ApplianceError, Cancelled, MirrorRefused, MirrorUnreachable, ToolFailed
from ..core.ports import Watch
from ..system import process

OLDEST_RCLONE = (1, 75, 0)
"""CVE-2026-71313: names from a hostile bucket left the target folder; redirects leaked keys."""

SILENCE = timedelta(minutes=30)
"""Longer without a single byte moving or file compared is a hung cloud or disk. rclone prints its
statistics all the while, so its lines alone are no sign of life."""
_COMPARING = "appliance: comparing"
_SCRIPT = (
    "rclone=$1; how=$2; only_copy=$3; fresh=$4; shift 4;"
    ' "$rclone" copy $only_copy "$@" || exit $?;'
    f" echo '{_COMPARING}' >&2;"
    ' check() { "$rclone" check --one-way --differ - --missing-on-dst - --error - "$@"; };'
    ' check $how "$@" || exit $?;'
    ' [ -n "$fresh" ] || exit 0;'
    ' for each do shift; case $each in --filter=*);; *) set -- "$@" "$each";; esac; done;'
    ' check "--files-from-raw=$fresh" "$@"'
)
_REFUSALS = re.compile(
    r"StatusCode: 40[13]\b|\b40[13] (Unauthorized|Forbidden)|AccessDenied|Forbidden"
    r"|InvalidAccessKeyId|SignatureDoesNotMatch|invalid_grant|[Pp]ermission denied"
)
_NAME = re.compile(r"data/\d+/\d+|config|README")
_TRY_AGAIN = frozenset({1, 2, 5, 8, 10, 129, 130, 137, 143})
_MISSING = frozenset({3, 4})
_MOVING = ("bytes", "checks", "transfers", "totalChecks", "totalTransfers", "listed", "deletes")
_PUBLIC = frozenset({"type", "provider", "region", "endpoint", "host", "port", "url", "env_auth"})
_SHORTEST_SECRET = 6


@dataclass(frozen=True, slots=True)
class Direction:
    """From where to where."""

    source: str
    target: str


class Said:
    """Listens to rclone's JSON log and to the names that its comparison prints."""

    def __init__(self, on_progress: Callable[[int, int], None] | None = None) -> None:
        self.files = 0
        self.size_bytes = 0
        self.comparing = False
        self.differing: list[str] = []
        self.refused: list[str] = []
        self._moved: tuple[object, ...] = ()
        self._moved_at = monotonic()
        self._messages: deque[str] = deque(maxlen=20)
        self._on_progress = on_progress

    def hear(self, line: str) -> None:
        """Take one line of either stream; any byte sequence will do."""
        message = _parse(line)
        if line == _COMPARING:
            self.comparing = True
        elif message is None:
            self._hear_name(line)
        elif isinstance(message.get("stats"), dict):
            self._hear_stats(message["stats"])
        else:
            self._hear_message(message)

    def _hear_name(self, line: str) -> None:
        if _NAME.fullmatch(line):  # only the comparison prints names
            self.differing.append(line)
        self._messages.append(line[:500])

    def is_stalled(self) -> bool:
        """Return whether nothing has moved for longer than a cloud or a disk may take."""
        return monotonic() - self._moved_at > SILENCE.total_seconds()

    def _hear_stats(self, stats: Mapping[str, Any]) -> None:
        moved = (self.comparing, *(stats.get(key) for key in _MOVING))
        if moved != self._moved:
            self._moved, self._moved_at = moved, monotonic()
        if self.comparing:
            return
        done, total = _number(stats.get("bytes")), _number(stats.get("totalBytes"))
        self.files, self.size_bytes = _number(stats.get("transfers")), done
        if self._on_progress:
            self._on_progress(done, total)

    def _hear_message(self, message: Mapping[str, Any]) -> None:
        text, name = str(message.get("msg", ""))[:500], str(message.get("object", ""))
        if message.get("level") in {"error", "critical"}:
            self.refused.extend([name] if name and not self.comparing else [])
        self._messages.append(f"{name}: {text}" if name else text)

    @property
    def detail(self) -> str:
        """The last messages, for the log."""
        return "\n".join(self._messages)


class _OrStalled(Event):
    """Set when another event is, or when nothing moves any more."""

    def __init__(self, cancel: Event, said: Said) -> None:
        super().__init__()
        self._cancel, self._said = cancel, said

    def is_set(self) -> bool:
        """Return whether to stop."""
        return self._cancel.is_set() or self._said.is_stalled()


@lru_cache(maxsize=4)
def checked_rclone(path: str) -> str:
    """Given rclone's path, return it; raise ToolFailed where it is older than 1.75."""
    said: list[str] = []
    # An empty --config: else rclone makes a folder for one in the home of whoever we are.
    argv = [path, "version", "--config="]
    process.run(argv, on_line=said.append, limits=process.Limits(timedelta(minutes=1)))
    found = re.match(r"rclone v(\d+)\.(\d+)\.(\d+)", said[0] if said else "")
    version = tuple(int(part) for part in found.groups()) if found else (0, 0, 0)
    if version < OLDEST_RCLONE:
        raise ToolFailed(
            "The installed program for the cloud is too old to be trusted.",
            hint="Run `make install`: it brings a newer one.",
            detail=f"{path}: {said[0] if said else 'no answer'}",
        )
    return path


class Rclone:
    """rclone with one configuration; secrets stay in that file."""

    def __init__(self, name: str, config: Path | None, bandwidth: str, state: Path) -> None:
        self._name = name
        self._config = config
        self._bandwidth = bandwidth
        self._state = state

    # -- command lines -----------------------------------------------------------------------

    def copying_then_comparing(
        self,
        direction: Direction,
        only: Sequence[str],
        *,
        immutable: bool,
        hashed: bool,
        fresh: str = "",
    ) -> list[str]:
        """Return one program that copies, and compares only where copying went well.

        `fresh` is a file of names that are compared by hashes even where `hashed` is False.

        Nothing is decided by `--checksum`: it would overwrite a good object with a rotten file.
        """
        how = "" if hashed else "--size-only"
        only_copy = "--immutable" if immutable else ""
        return [
            *("/bin/sh", "-c", _SCRIPT, "mirror", self._program(), how, only_copy, fresh),
            *self._flags(),
            *only,
            *_ends(direction),
        ]

    def comparing(self, direction: Direction, only: Sequence[str], *, hashed: bool) -> list[str]:
        """Return the program that only compares, by hashes where the remote keeps them."""
        how = [] if hashed else ["--size-only"]
        argv = [self._program(), "check", "--one-way", "--differ", "-", "--missing-on-dst", "-"]
        return [*argv, *how, *self._flags(), *only, *_ends(direction)]

    def _program(self) -> str:
        return checked_rclone(process.find("rclone"))

    def _flags(self) -> list[str]:
        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = [f"--config={self._config}"] if self._config else []
        limit = [f"--bwlimit={self._bandwidth}"] if self._bandwidth else []
        return [
            *config,
            *limit,
            f"--cache-dir={self._state}",
            "--use-json-log",
            "--stats=1s",
            "--stats-log-level=NOTICE",
            "--no-update-modtime",  # on S3 a new time is a new object
            "--retries=1",  # the runner retries, and says so
            "--low-level-retries=3",
            "--contimeout=30s",
            "--timeout=2m",
            "--transfers=4",
            "--fast-list",
        ]

    # -- calls -------------------------------------------------------------------------------

    def run(
        self, argv: Sequence[str], watch: Watch, said: Said, *, stdin: bytes | None = None
    ) -> int:
        """Run a program of ours outside any lock and return its exit code."""
        with self.patience(said, watch) as patient:
            ended = process.run(
                argv,
                on_line=said.hear,
                on_error_line=said.hear,
                stdin=stdin,
                limits=process.Limits(idle=SILENCE),
                watch=patient,
            )
        return ended.code

    @contextmanager
    def patience(self, said: Said, watch: Watch) -> Iterator[Watch]:
        """Lend a watch that also stops what no longer moves; raise MirrorUnreachable then."""
        try:
            yield Watch(watch.progress, _OrStalled(watch.cancel, said))
        except Cancelled as error:
            if watch.cancel.is_set():
                raise
            raise MirrorUnreachable(
                f"The cloud “{self._name}” did not move for {SILENCE}, so it was stopped.",
                detail=self._without_secrets(said.detail),
            ) from error

    def judge(self, code: int, said: Said, *, comparing: bool = False) -> None:
        """Raise what an exit code means; nothing where it is good."""
        if code == 0 and not said.differing:
            return
        detail = self._without_secrets(f"rclone ended with {code}\n{said.detail}")
        if comparing and said.differing:
            names = ", ".join(said.differing[:5])
            raise MirrorRefused(f"The cloud “{self._name}” differs at {names}.", detail=detail)
        raise self._failure(code, said, detail)

    def _without_secrets(self, text: str) -> str:
        """Return text with every value of the configuration blotted out, save harmless ones."""
        try:
            lines = self._config.read_text(errors="replace").splitlines() if self._config else []
        except OSError:
            return text
        for secret in sorted(_secrets_in(lines), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _failure(self, code: int, said: Said, detail: str) -> ApplianceError:
        if code == 6:
            names = ", ".join(dict.fromkeys(said.refused)) or "a file"
            return MirrorRefused(
                f"The cloud “{self._name}” already holds other content for {names}.",
                hint="Check the disk first: it may be damaged. Nothing in the cloud was replaced.",
                detail=detail,
            )
        if code in _TRY_AGAIN and not _REFUSALS.search(detail):
            return MirrorUnreachable(f"The cloud “{self._name}” did not answer.", detail=detail)
        return MirrorRefused(f"The cloud “{self._name}” refused.", detail=detail)

    def _ask(self, arguments: Sequence[str], watch: Watch) -> list[str] | None:
        """Return what a small command prints, None where the thing asked for is not there."""
        lines: list[str] = []
        said = Said()
        argv = [self._program(), *arguments, *self._flags(), "--stats=0"]
        ended = process.run(
            argv,
            on_line=lines.append,
            on_error_line=said.hear,
            limits=process.Limits(idle=SILENCE),
            watch=watch,
        )
        if ended.code in _MISSING:
            return None
        self.judge(ended.code, said)
        return lines

    def read(self, path: str, watch: Watch) -> str | None:
        """Return the text of one small object, None where there is none."""
        folder, _, name = path.rpartition("/")
        if name not in self.files(folder, watch):
            return None
        lines = self._ask(["cat", path], watch)
        return None if lines is None else "".join(line + "\n" for line in lines)

    def write(self, path: str, text: str, watch: Watch) -> None:
        """Store one small object."""
        said = Said()
        argv = [self._program(), "rcat", *self._flags(), path]
        self.judge(self.run(argv, watch, said, stdin=text.encode()), said)

    def files(self, path: str, watch: Watch) -> list[str]:
        """Return the names of the objects in a place, none where the place is missing."""
        return self._ask(["lsf", "--files-only", "--max-depth=1", f"{path}/"], watch) or []

    @contextmanager
    def only_files(self, names: Sequence[str]) -> Iterator[list[str]]:
        """Lend the flags that narrow a copy and its comparison to these names."""
        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
        listing = self._state / f"only-{secrets.token_hex(8)}"
        listing.write_text("".join(f"{name}\n" for name in names))
        try:
            yield [f"--files-from-raw={listing}"]
        finally:
            listing.unlink()

    @contextmanager
    def hashing(self, names: Sequence[str]) -> Iterator[str]:
        """Lend a file of names for `copying_then_comparing`, "" for none."""
        if not names:
            yield ""
            return
        with self.only_files(names) as (flag,):
            yield flag.partition("=")[2]

    def folders(self, path: str, watch: Watch) -> list[str]:
        """Return the names of the folders in a place, none where the place is missing."""
        listed = self._ask(["lsf", "--dirs-only", "--max-depth=1", path], watch)
        return [line.rstrip("/") for line in listed or []]

    def segments(self, path: str, watch: Watch) -> frozenset[str]:
        """Return the segments (`folder/number`) in a cloud copy."""
        arguments = ["lsf", "--recursive", "--files-only", "--max-depth=2", f"{path}/data"]
        listed = self._ask(arguments, watch)
        return frozenset(line for line in listed or [] if re.fullmatch(r"\d+/\d+", line))

    def size_bytes(self, path: str, watch: Watch) -> int:
        """Return the size of all objects below a place, 0 where it is missing."""
        listed = self._ask(["lsf", "--recursive", "--files-only", "--format=s", path], watch)
        return sum(int(line) for line in listed or [] if line.isdigit())

    def remove(self, path: str, names: Sequence[str], watch: Watch) -> None:
        """Delete exactly these objects of a cloud copy; the only place that deletes anything."""
        said = Said()
        with self.only_files(names) as only:
            argv = [self._program(), "delete", *only, *self._flags(), path]
            self.judge(self.run(argv, watch, said), said)

    def probe(self, remote: str, watch: Watch) -> None:
        """List, write one small object and read it back."""
        token = secrets.token_hex(16)
        at = f"{remote}{'' if remote.endswith(':') else '/'}appliance-probe"
        self.write(at, token, watch)
        if self.read(at, watch) != token + "\n":
            raise MirrorRefused(f"The cloud “{self._name}” does not keep what is sent to it.")


def _secrets_in(lines: Sequence[str]) -> frozenset[str]:
    """Given the lines of rclone's configuration, return what must not be shown."""
    secret: set[str] = set()
    for line in lines:
        key, equals, value = line.partition("=")
        if equals and key.strip() not in _PUBLIC:
            secret |= {value.strip(), *re.findall(r'"([^"]+)"', value)}
        elif not equals and not line.strip().startswith(("[", "#", ";")):
            secret.add(line.strip())  # torn: rclone would quote it
    return frozenset(each for each in secret if len(each) >= _SHORTEST_SECRET)


def _ends(direction: Direction) -> list[str]:
    return ["--", direction.source, direction.target]


def _parse(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
