"""What every Mirror must do, the real one and the fake that stands in for it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from appliance.core.errors import Cancelled, MirrorRefused, WrongDisk
from appliance.core.ports import Layout, Mirror, Repository, Watch
from appliance.mirrors.rclone import RcloneMirror
from appliance.repositories.borg import BorgRepository
from tests.contract.test_repository import borg_at
from tests.fakes import FakeMirror, FakeRepository
from tests.repositories.staging import day, lay

FILES = {"manifest.json": b"{}", "history/a.csv/00": bytes(range(256)) * 100}


def archived(repository: Repository, folder: Path) -> Layout:
    """Put a first archive into a repository; return what is in it."""
    layout = lay(folder / "stage", FILES)
    repository.create(day(0, layout), layout, Watch())
    return layout


class MirrorContract:
    """Inherit, and give a `repository` that is made and empty, and a `mirror` of it."""

    @pytest.fixture
    def repository(self, tmp_path: Path) -> Repository:
        raise NotImplementedError

    @pytest.fixture
    def mirror(self, tmp_path: Path) -> Mirror:
        raise NotImplementedError

    def opened(self, fetched: Path, tmp_path: Path) -> Repository:
        """Open a fetched copy for reading."""
        raise NotImplementedError

    def test_it_knows_whose_copy_it_is(self, mirror: Mirror, repository: Repository) -> None:
        assert mirror.repository == repository.name

    def test_a_pushed_archive_comes_back_byte_for_byte(
        self, mirror: Mirror, repository: Repository, tmp_path: Path
    ) -> None:
        layout = archived(repository, tmp_path)
        sent = mirror.push(repository, Watch())
        assert sent.files > 0
        assert sent.size_bytes > 0
        (tmp_path / "scratch").mkdir()
        fetched = mirror.fetch(None, tmp_path / "scratch", Watch())
        brought = sum(path.stat().st_size for path in fetched.rglob("*") if path.is_file())
        assert mirror.size_bytes(None, Watch()) > 0
        assert mirror.size_bytes(repository.id(), Watch()) >= brought - 100, "but for the marker"
        copy = self.opened(fetched, tmp_path)
        assert copy.archives() == (day(0, layout),)
        assert dict(copy.hashes(day(0, layout).name, Watch())) == dict(layout.stored)

    def test_a_copy_is_fetched_by_its_id(
        self, mirror: Mirror, repository: Repository, tmp_path: Path
    ) -> None:
        archived(repository, tmp_path)
        mirror.push(repository, Watch())
        (tmp_path / "scratch").mkdir()
        assert mirror.fetch(repository.id(), tmp_path / "scratch", Watch()).is_dir()

    def test_a_second_push_sends_only_what_is_new(
        self, mirror: Mirror, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES | {"export/big.bin": bytes(range(251)) * 4000})
        repository.create(day(0, layout), layout, Watch())
        first = mirror.push(repository, Watch())
        more = lay(tmp_path / "stage", {**FILES, "export/small.csv": b"id\n1\n"})
        repository.create(day(1, more), more, Watch())
        second = mirror.push(repository, Watch())
        assert second.size_bytes < first.size_bytes
        assert second.size_bytes < 60_000

    def test_what_was_replaced_is_gone_once_it_is_forgotten_and_the_copy_is_whole(
        self, mirror: Mirror, repository: Repository, tmp_path: Path
    ) -> None:
        noise = random.Random(1).randbytes(200_000)
        old = lay(tmp_path / "old", FILES | {"export/her.bin": noise})
        repository.create(day(0, old), old, Watch())
        mirror.push(repository, Watch())
        new = lay(tmp_path / "new", FILES)
        repository.replace(day(0, new), new, Watch())
        repository.compact(Watch(), all_of_it=True)
        mirror.push(repository, Watch())
        before = mirror.size_bytes(repository.id(), Watch())
        assert mirror.forget(repository, Watch()) > 0
        assert mirror.size_bytes(repository.id(), Watch()) < before - 150_000
        assert mirror.forget(repository, Watch()) == 0
        (tmp_path / "scratch").mkdir()
        copy = self.opened(mirror.fetch(None, tmp_path / "scratch", Watch()), tmp_path)
        assert dict(copy.hashes(day(0, new).name, Watch())) == dict(new.stored)

    def test_nothing_is_forgotten_for_a_disk_that_was_emptied(
        self, mirror: Mirror, repository: Repository, tmp_path: Path
    ) -> None:
        layout = archived(repository, tmp_path)
        mirror.push(repository, Watch())
        repository.delete("crm", [day(0, layout)], Watch())
        with pytest.raises(MirrorRefused):
            mirror.forget(repository, Watch())

    def test_trying_the_key_harms_no_copy(
        self, mirror: Mirror, repository: Repository, tmp_path: Path
    ) -> None:
        archived(repository, tmp_path)
        mirror.push(repository, Watch())
        assert mirror.keeps_what_it_got(Watch()) is False
        mirror.compare(repository, Watch())

    def test_a_cancelled_push_ends_as_cancelled_and_the_next_one_works(
        self, mirror: Mirror, repository: Repository, tmp_path: Path
    ) -> None:
        archived(repository, tmp_path)
        watch = Watch()
        watch.cancel.set()
        with pytest.raises(Cancelled):
            mirror.push(repository, watch)
        mirror.push(repository, Watch())

    def test_fetching_from_an_empty_cloud_is_refused(self, mirror: Mirror, tmp_path: Path) -> None:
        (tmp_path / "scratch").mkdir()
        with pytest.raises(MirrorRefused):
            mirror.fetch(None, tmp_path / "scratch", Watch())

    @pytest.mark.parametrize("by_id", [False, True])
    def test_an_empty_cloud_holds_nothing(
        self, mirror: Mirror, repository: Repository, by_id: bool
    ) -> None:
        assert mirror.size_bytes(repository.id() if by_id else None, Watch()) == 0

    def test_A1_nothing_is_ever_written_to_a_fetched_copy(
        self, mirror: Mirror, repository: Repository, tmp_path: Path
    ) -> None:
        layout = archived(repository, tmp_path)
        mirror.push(repository, Watch())
        (tmp_path / "scratch").mkdir()
        copy = self.opened(mirror.fetch(None, tmp_path / "scratch", Watch()), tmp_path)
        with pytest.raises(WrongDisk):
            copy.create(day(1, layout), layout, Watch())
        with pytest.raises(WrongDisk):
            copy.delete("crm", copy.archives(), Watch())
        with pytest.raises(WrongDisk):
            copy.compact(Watch())


class TestFakeMirror(MirrorContract):
    cloud: FakeMirror

    @pytest.fixture
    def repository(self) -> Repository:
        return FakeRepository()

    @pytest.fixture
    def mirror(self) -> Mirror:
        type(self).cloud = FakeMirror()
        return self.cloud

    def opened(self, fetched: Path, tmp_path: Path) -> Repository:
        return self.cloud.opened(fetched)


class TestRcloneMirrorInAFolder(MirrorContract):
    @pytest.fixture
    def repository(self, tmp_path: Path) -> Repository:
        repository = borg_at(tmp_path / "repository", tmp_path / "state")
        repository.create_repository()
        return repository

    @pytest.fixture
    def mirror(self, tmp_path: Path) -> Mirror:
        cloud = tmp_path / "cloud"
        cloud.mkdir()
        return RcloneMirror("cloud", "disk-a", str(cloud), None, state=tmp_path / "rclone")

    def opened(self, fetched: Path, tmp_path: Path) -> BorgRepository:
        return borg_at(fetched, tmp_path / "throw-away", read_only=True)
