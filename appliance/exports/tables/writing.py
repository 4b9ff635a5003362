"""The only home of writing rows to files again, as the vendor's program expects them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self

from ...core.errors import ApplianceError
from .rows import Frame


class Files:
    """Files of rows in a folder: one for each path and frame; closed with the block.

    What ends the block too early leaves none of them.
    """

    def __init__(self, into: Path) -> None:
        self._into = into
        self._files: dict[tuple[str, Frame], _File] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for file in self._files.values():
            try:
                file.close()
            finally:
                if kind is not None:
                    file.path.unlink()

    @property
    def counts(self) -> dict[Path, int]:
        """How many rows were written to each path."""
        return {file.path: file.count for file in self._files.values()}

    @property
    def paths(self) -> tuple[Path, ...]:
        """What was written, by path."""
        return tuple(sorted(file.path for file in self._files.values()))

    def put(self, path: str, frame: Frame, raw: bytes) -> None:
        """Add a row to the file of a member's path; of another frame to one beside it.

        Raise ApplianceError where something lies there already.
        """
        if (path, frame) not in self._files:
            others = sum(path == known for known, _ in self._files)
            at = self._into / (_numbered(path, others + 1) if others else path)
            at.parent.mkdir(parents=True, exist_ok=True)
            self._files[path, frame] = _File(at, frame)
        self._files[path, frame].put(raw)


def created(path: Path) -> BinaryIO:
    """Make a file; raise ApplianceError where something lies there already."""
    try:
        return path.open("xb")
    except FileExistsError as error:
        hint = "Name another folder with --to."
        raise ApplianceError(f"{path} is there already.", hint=hint) from error


def _numbered(path: str, number: int) -> PurePosixPath:
    pure = PurePosixPath(path)
    return pure.with_name(f"{pure.stem} ({number}){pure.suffix}")


class _File:
    def __init__(self, path: Path, frame: Frame) -> None:
        self.path = path
        self._frame = frame
        self.count = 0
        self._file = created(path)
        self._file.write(frame.mark)
        self._write(frame.opening)

    def put(self, raw: bytes) -> None:
        if self.count:
            self._write(self._frame.between)
        self.count += 1
        self._write(raw)

    def close(self) -> None:
        self._write(self._frame.closing)
        self._file.close()

    def _write(self, data: bytes) -> None:
        self._file.write(self._frame.encoded(data))
