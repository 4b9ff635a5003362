"""The only home of patches: zstd frames that turn the version before into the next one.

A patch is an ordinary zstd frame whose dictionary is the version before, with long-distance
matching and a checksum, as `zstd --patch-from` makes it; `zstd -d --long=31 --patch-from=OLD`
reads it. Level 6: measured on CSV with 0.5 % of the rows changed, level 3 is 1 to 2 %
larger, level 9 is 3 to 8 % smaller for three times the time.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import RepositoryDamaged
from ..core.model import StoredFile
from .parts import BLOCK_BYTES, Stretch

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 6
MAX_LINKS = 200
MAX_REBUILD_BYTES = 128 << 30
"""What rebuilding one member may write in all: two minutes on a PC, ten on a small board."""
MAX_LINK_BYTES = 128 << 20
"""No part was ever made larger; a file that claims to be is hostile."""
_LARGEST_WINDOW_LOG = 27
_COMPRESS = zstd.CompressionParameter
_DECOMPRESS = zstd.DecompressionParameter


@dataclass(frozen=True, slots=True)
class Growth:
    """What is known of a chain before a patch is added to it."""

    base_bytes: int
    packed_bytes: int
    """What zstd makes of the base."""
    patches: tuple[int, ...]
    """Size of each patch."""
    member_bytes: int
    """Size of the whole member: all of it is rebuilt every day."""

    def takes(self, patch_bytes: int, new_bytes: int) -> bool:
        """Given a new patch, return whether it is worth keeping, rather than a new base.

        It must be smaller than half of what zstd would make of the new version; all patches
        together no larger than the packed base; and the chain quick to rebuild. (A new base
        saves nothing until what leans on the old one is let go: at half of the base, day 48 of
        a CRM that changes by 1 % a day cost as much as the twenty days before it.)
        """
        own_bytes = self.packed_bytes * new_bytes / max(1, self.base_bytes)
        links = len(self.patches) + 2
        return (
            patch_bytes * 2 < own_bytes
            and sum(self.patches) + patch_bytes <= self.packed_bytes
            and links <= MAX_LINKS
            and links * self.member_bytes <= MAX_REBUILD_BYTES
        )


class Before:
    """The version before, to make and to apply patches against."""

    def __init__(self, content: bytes | bytearray | memoryview) -> None:
        # zstd refuses a dictionary of fewer than 8 bytes; such a version is never patched
        self._dictionary = zstd.ZstdDict(content, is_raw=True)
        self._size_bytes = len(content)

    def patch(self, new: Stretch, into: Path) -> StoredFile:
        """Write the patch that makes `new`, prove that it does, return its size and hash.

        Raise RepositoryDamaged where it does not: memory or disk cannot be trusted.
        """
        window = (self._size_bytes + new.size_bytes).bit_length()
        options: dict[int, int] = {
            _COMPRESS.compression_level: LEVEL,
            _COMPRESS.window_log: max(20, min(_LARGEST_WINDOW_LOG, window)),
            _COMPRESS.enable_long_distance_matching: 1,
            _COMPRESS.checksum_flag: 1,
        }
        packer = zstd.ZstdCompressor(options=options, zstd_dict=self._dictionary.as_prefix)
        packer.set_pledged_input_size(new.size_bytes)
        with into.open("xb") as out:
            for block in new.blocks():
                out.write(packer.compress(block))
            out.write(packer.flush())
        del packer
        if not self._makes(into, new):
            raise RepositoryDamaged("A difference did not read back as it was written.")
        packed = into.read_bytes()
        return StoredFile(len(packed), hashlib.sha256(packed).hexdigest())

    def after(self, patch: Path) -> Iterator[bytes]:
        """Given a patch, yield the version after it in blocks; raise ZstdError if it is none."""
        unpacker = zstd.ZstdDecompressor(
            zstd_dict=self._dictionary.as_prefix,
            options={_DECOMPRESS.window_log_max: _LARGEST_WINDOW_LOG},
        )
        with patch.open("rb") as stream:
            while not unpacker.eof:
                packed = stream.read(BLOCK_BYTES) if unpacker.needs_input else b""
                if unpacker.needs_input and not packed:
                    raise zstd.ZstdError("cut off")
                yield unpacker.decompress(packed, BLOCK_BYTES)

    def _makes(self, patch: Path, new: Stretch) -> bool:
        size = 0
        with new.file.open("rb") as wanted, suppress(zstd.ZstdError):
            wanted.seek(new.start)
            for block in self.after(patch):
                size += len(block)
                if wanted.read(len(block)) != block:
                    return False
            return size == new.size_bytes
        return False


def replay(links: Sequence[Path], check: Callable[[], Any]) -> Iterator[bytes]:
    """Given a base and its patches, yield the newest version in blocks.

    `check` is called between links and may raise. Raise RepositoryDamaged where a link is missing,
    broken, or larger than any that we make.
    """
    try:
        if len(links) == 1:
            yield from Stretch(links[0], 0, links[0].stat().st_size).blocks()
            return
        content: bytearray = bytearray(_bounded(links[0]).read())
        for link in links[1:-1]:
            check()
            content = _applied(content, link)
        last = Before(content)
        del content
        yield from last.after(links[-1])
    except (OSError, ValueError, zstd.ZstdError) as error:
        raise RepositoryDamaged(
            "Something in a backup cannot be read back.", detail=f"{links[-1]}: {error}"
        ) from error


def packed_size(content: Stretch) -> int:
    """Given some bytes, return what zstd makes of them at level 3."""
    packer = zstd.ZstdCompressor(level=3)
    size = sum(len(packer.compress(block)) for block in content.blocks())
    return size + len(packer.flush())


def _bounded(link: Path) -> Stretch:
    size = link.stat().st_size
    if size > MAX_LINK_BYTES:
        raise RepositoryDamaged("A backup holds a file of impossible size.", detail=str(link))
    return Stretch(link, 0, size)


def _applied(content: bytearray, patch: Path) -> bytearray:
    """Turn `content` into the version after it: in place, as room asked for anew costs most."""
    before, size = Before(content), 0  # which has its own copy
    for block in before.after(patch):
        content[size : size + len(block)] = block
        size += len(block)
        if size > MAX_LINK_BYTES:
            raise RepositoryDamaged("A backup holds a file of impossible size.", detail=str(patch))
    del content[size:]
    return content
