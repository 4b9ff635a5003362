"""What every Repository must do, the real one and the fake that stands in for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.core.errors import ApplianceError, Cancelled, RepositoryDamaged
from appliance.core.ports import Inventory, Repository, Watch
from appliance.repositories.borg import BorgRepository
from tests.fakes import FakeRepository
from tests.repositories.staging import day, lay
from tests.servers import Sshd

FILES = {
    "manifest.json": b'{"version": 1}',
    "export/a b/ünï'☃.csv": b"id,name\n1,Ada\n" * 1000,
    "export/-rf.csv": b"",
    "history/x.csv/00": bytes(range(256)) * 300,
    "pp:odd/{now}.csv": b"braces\n",
}


class RepositoryContract:
    """Inherit, and give a `repository` that is made and empty."""

    @pytest.fixture
    def repository(self, tmp_path: Path) -> Repository:
        raise NotImplementedError

    def test_its_id_is_64_hex_digits_and_stays(self, repository: Repository) -> None:
        first = repository.id()
        assert len(first) == 64
        assert int(first, 16) >= 0
        assert repository.id() == first

    def test_an_archive_comes_back_with_all_its_facts(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        archive = replace(day(0, layout, held=True), clock_trusted=False, sequence=41)
        assert repository.create(archive, layout, Watch()) > 0
        assert repository.archives() == (archive,)
        assert repository.archives("crm") == (archive,)
        assert repository.archives("cr") == ()
        assert repository.inventory() == Inventory(repository.id(), (archive,))

    def test_it_can_be_let_go_at_any_time_and_used_again(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        repository.release()
        repository.create(day(0, layout), layout, Watch())
        repository.release()
        repository.release()
        assert [archive.name for archive in repository.archives()] == [day(0, layout).name]

    def test_what_is_read_back_equals_what_was_stored(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        repository.create(day(0, layout), layout, Watch())
        assert dict(repository.hashes(day(0, layout).name, Watch())) == dict(layout.stored)

    def test_extract_gives_the_same_bytes(self, repository: Repository, tmp_path: Path) -> None:
        layout = lay(tmp_path / "stage", FILES)
        repository.create(day(0, layout), layout, Watch())
        (tmp_path / "out").mkdir()
        repository.extract(day(0, layout).name, tmp_path / "out", Watch())
        out = tmp_path / "out"
        found = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
        assert found == FILES
        assert repository.size_bytes(day(0, layout).name) == sum(map(len, FILES.values()))

    def test_extract_can_be_asked_for_some_paths(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        repository.create(day(0, layout), layout, Watch())
        out = tmp_path / "out"
        out.mkdir()
        repository.extract(day(0, layout).name, out, Watch(), ["export/a b", "manifest.json"])
        found = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
        assert found == {"export/a b/ünï'☃.csv", "manifest.json"}

    def test_extract_refuses_a_folder_that_is_not_empty(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        repository.create(day(0, layout), layout, Watch())
        with pytest.raises(ApplianceError):
            repository.extract(day(0, layout).name, tmp_path, Watch())

    def test_storing_the_same_again_adds_nothing(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        repository.create(day(0, layout), layout, Watch())
        assert repository.create(day(0, layout), layout, Watch()) == 0
        assert len(repository.archives()) == 1

    def test_the_same_name_with_another_manifest_is_damage(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        repository.create(day(0, layout), layout, Watch())
        other = lay(tmp_path / "other", {"manifest.json": b"other"})
        with pytest.raises(RepositoryDamaged):
            repository.create(day(0, other), other, Watch())
        assert repository.archives()[0].manifest_sha256 == layout.manifest_sha256

    def test_another_takes_the_place_of_an_archive_under_its_name_and_time(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        other = lay(tmp_path / "other", {"manifest.json": b"other", "export/a.csv": b"id\n"})
        repository.create(day(0, layout), layout, Watch())
        repository.create(day(1, layout), layout, Watch())
        new = replace(day(0, layout), manifest_sha256=other.manifest_sha256)
        repository.replace(new, other, Watch())
        assert repository.archives() == (new, day(1, layout))
        assert dict(repository.hashes(new.name, Watch())) == dict(other.stored)
        assert repository.size_bytes(new.name) == 8
        repository.compact(Watch(), all_of_it=True)
        assert repository.inventory().archives == (new, day(1, layout))

    def test_archives_are_ordered_by_sequence_not_by_time(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        early, late = replace(day(0, layout), sequence=9), replace(day(5, layout), sequence=2)
        repository.create(early, layout, Watch())
        repository.create(late, layout, Watch())
        assert repository.archives() == (late, early)

    def test_A12_delete_touches_only_the_named_archives_of_its_source(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", {"manifest.json": b"{}"})
        kept = [day(0, layout, "crm-b"), day(1, layout)]
        gone = day(0, layout)
        for archive in (*kept, gone):
            repository.create(archive, layout, Watch())
        repository.delete("crm", [gone], Watch())
        repository.delete("crm", [gone], Watch())
        repository.delete("crm", [], Watch())
        repository.compact(Watch())
        assert set(repository.archives()) == set(kept)
        for archive in kept:
            assert dict(repository.hashes(archive.name, Watch())) == dict(layout.stored)

    def test_A12_deleting_another_sources_archive_is_refused_and_removes_nothing(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", {"manifest.json": b"{}"})
        mine, other = day(0, layout), day(0, layout, "crm-b")
        repository.create(mine, layout, Watch())
        repository.create(other, layout, Watch())
        disguised = replace(other, source="crm")
        for wrong in (other, disguised):
            with pytest.raises((ValueError, ApplianceError)):
                repository.delete("crm", [mine, wrong], Watch())
        assert set(repository.archives()) == {mine, other}

    def test_reading_an_archive_that_is_not_there_fails(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        with pytest.raises(ApplianceError):
            repository.hashes("crm-2026-11-21T03:00:00Z", Watch())
        (tmp_path / "out").mkdir()
        with pytest.raises(ApplianceError):
            repository.extract("crm-2026-11-21T03:00:00Z", tmp_path / "out", Watch())

    def test_A17_a_missing_staged_file_stores_nothing(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        (layout.root / "export/-rf.csv").unlink()
        with pytest.raises(ApplianceError):
            repository.create(day(0, layout), layout, Watch())
        assert repository.archives() == ()

    def test_a_cancelled_create_stores_nothing(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        watch = Watch()
        watch.cancel.set()
        with pytest.raises(Cancelled):
            repository.create(day(0, layout), layout, watch)
        assert repository.archives() == ()

    def test_a_program_under_the_lock_gives_its_code_and_its_words(
        self, repository: Repository
    ) -> None:
        heard: list[str] = []
        script = ["/bin/sh", "-c", "echo out; echo err >&2; exit 6"]
        code, tail = repository.with_lock(script, Watch(), heard.append)
        assert code == 6
        assert set(heard) == {"out", "err"}
        assert "out" in tail

    def test_a_whole_repository_passes_its_check(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        layout = lay(tmp_path / "stage", FILES)
        repository.create(day(0, layout), layout, Watch())
        repository.check(Watch())
        repository.break_stale_lock(Watch())
        assert len(repository.archives()) == 1


def borg_at(folder: Path, state: Path, **options: Any) -> BorgRepository:
    """A repository for tests: no reserve, so that any machine has room for it.

    Unless told otherwise it is the one whose id was noted, as after `appliance init`.
    """
    secret: Callable[[], str] = options.pop("passphrase", lambda: "correct horse")
    options.setdefault("reserve_bytes", 0)
    options.setdefault("expected_id", lambda: _id_in(folder))
    location = options.pop("location", str(folder))
    return BorgRepository("disk-a", location, secret, state, "test-host", **options)


def _id_in(folder: Path) -> str | None:
    config = folder / "config"
    found = re.search(r"(?m)^id = ([0-9a-f]{64})", config.read_text()) if config.is_file() else None
    return found[1] if found else None


class TestFakeRepository(RepositoryContract):
    @pytest.fixture
    def repository(self, tmp_path: Path) -> Repository:
        return FakeRepository()


class TestBorgRepository(RepositoryContract):
    @pytest.fixture
    def repository(self, tmp_path: Path) -> Repository:
        repository = borg_at(tmp_path / "repository", tmp_path / "state")
        repository.create_repository()
        return repository


def ssh_to(server: Sshd, known_hosts: Path) -> str:
    """The ssh command that the configuration layer gives: pinned host key, no questions."""
    known_hosts.write_text(server.known_hosts_line + "\n")
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known_hosts}"]
    settings = " ".join(f"-o {option}" for option in options)
    return f"ssh -F none -i {server.user_key.private} {settings}"


@pytest.mark.slow
class TestBorgRepositoryBehindSsh(RepositoryContract):
    @pytest.fixture
    def repository(self, tmp_path: Path, ssh_shell: Sshd) -> Repository:
        (tmp_path / "far").mkdir()
        here = f"{ssh_shell.user}@{ssh_shell.host}:{ssh_shell.port}"
        repository = borg_at(
            tmp_path / "far",
            tmp_path / "state",
            location=f"ssh://{here}{tmp_path}/far/repository",
            ssh_command=ssh_to(ssh_shell, tmp_path / "known_hosts"),
        )
        repository.create_repository()
        return repository
