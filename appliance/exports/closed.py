"""The only home of the question what may lie in a packed file that the unpacker left closed.

What cannot be looked into may hold in clear what somebody wants hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

from ..core.errors import ExportUnsafe
from . import gzips, tars, zips
from .budget import Limits
from .entries import KeepWhole
from .looks import plain
from .members import Container, Member
from .tables.grouping import TableRule, names_of, rules_for

_HEAD_BYTES = 512
_OTHERS = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
"""How files begin that are packed in ways that are not opened here: 7-Zip, RAR, bzip2, xz, zstd."""


def refuse_closed(
    members: Sequence[Member], boxes: Sequence[Container], rules: Sequence[TableRule]
) -> None:
    """Given what was unpacked and the rules that hide something, raise ExportUnsafe where the
    vendor's own file stayed closed, or a closed one in it has names that a rule means.

    Anybody's attachment may be closed, and is none of the tables.
    """
    folders = tuple(f"{box.path}/" for box in boxes)
    for member in members:
        found = list(_names_in(member))
        is_inside = member.path.startswith(folders)
        names = [name for path in found for name in (path, *names_of(path))]
        if found and (not is_inside or rules_for(names, rules)):
            raise ExportUnsafe(
                f"{member.path} is packed in a way that is not opened here, so that what is to be "
                "hidden might be stored in clear in it.",
                hint="Have the CRM pack its export as an ordinary ZIP; nothing of it was stored.",
            )


def _names_in(member: Member) -> Iterator[str]:
    """Yield what lies in a packed file as far as it tells, its own name without its ending at
    least; nothing where it is not packed.
    """
    with plain(member.file) as file:
        head = file.read(_HEAD_BYTES)
        is_zip = zips.is_zip(file, head, member.size_bytes)
        if is_zip:
            yield from _names_in_zip(member, file)
        elif gzips.is_gzip(head) or tars.is_tar(head) or head.startswith(_OTHERS):
            yield PurePosixPath(member.path).stem


def _names_in_zip(member: Member, file: BinaryIO) -> Iterator[str]:
    """What is locked tells nothing: it is not in clear. A document is no folder of files."""
    own = PurePosixPath(member.path).stem
    try:
        found = zips.read(file, member.size_bytes, Limits())
    except KeepWhole:
        yield from (own, *_listed(file))
    except ExportUnsafe:
        yield own
    else:
        if not found.is_document:
            yield from (own, *(entry.name for entry in found.entries))


def _listed(file: BinaryIO) -> Sequence[str]:
    try:
        with ZipFile(file) as archive:
            return archive.namelist()
    except (BadZipFile, ValueError, NotImplementedError, OSError):
        return ()
