"""The only home of the question what our own key to the cloud could destroy there."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from contextlib import suppress

from ..core.errors import ApplianceError, MirrorRefused
from ..core.ports import Watch
from .messages import Said
from .transfer import Rclone, apart

_VERSIONS = ("--s3-versions", "--b2-versions")
"""Other remotes pass them over."""


def survives(rclone: Rclone, at: str, watch: Watch) -> bool:
    """Write a new object, overwrite it, delete all its versions as far as that is allowed,
    and return whether the first one is still listed.
    """
    first = secrets.token_hex(16)
    rclone.write(at, first, watch)
    if rclone.read(at, watch) != first + "\n":
        raise MirrorRefused(f"The cloud “{rclone.name}” does not keep what is sent to it.")
    with suppress(MirrorRefused):
        rclone.write(at, 2 * first, watch)
    left = _versions(rclone, at, watch)
    while left:  # two that were written in one second have one name
        _delete_all(rclone, [each for each, _ in left], watch)
        before, left = left, _versions(rclone, at, watch)
        if len(left) >= len(before):
            break
    return len(first) in [size for _, size in left]


def _versions(rclone: Rclone, at: str, watch: Watch) -> list[tuple[str, int]]:
    """Return what is left of an object and its versions: rclone's names for them, and sizes."""
    folder, name = apart(at)
    asked = ["lsf", "--files-only", "--max-depth=1", "--format=sp", "--separator= ", folder]
    try:
        listed = rclone.ask([*asked, *_VERSIONS], watch)
    except ApplianceError:  # some servers know no versions, and call that an error
        listed = rclone.ask(asked, watch)
    own = re.compile(rf"(\d+) ({re.escape(name)}(?:-v\d{{4}}-\d\d-\d\d-\d{{6}}-\d{{3}})?)")
    found = [own.fullmatch(line) for line in listed or []]
    return [(folder + each[2], int(each[1])) for each in found if each]


def _delete_all(rclone: Rclone, objects: Sequence[str], watch: Watch) -> None:
    """Delete objects or versions as far as that is allowed.

    Raise MirrorUnreachable where the cloud did not say: a fault on the way protects nothing.
    """
    for at in objects:
        said = Said()
        argv = [rclone.program(), "deletefile", *_VERSIONS, *rclone.flags(), at]
        with suppress(MirrorRefused):
            rclone.judge(rclone.run(argv, watch, said), said)
