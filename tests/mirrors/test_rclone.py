"""The mirror against real S3 servers and folders, and against damage, tricks and silence."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.core.errors import (
    ApplianceError,
    Cancelled,
    MirrorRefused,
    MirrorUnreachable,
    RepositoryDamaged,
    ToolFailed,
    WrongDisk,
)
from appliance.core.ports import Watch
from appliance.mirrors.messages import Said
from appliance.mirrors.rclone import RcloneMirror
from appliance.mirrors.transfer import checked_rclone
from appliance.repositories.borg import BorgRepository
from appliance.system.process import find
from tests.contract.test_mirror import MirrorContract
from tests.contract.test_repository import borg_at
from tests.repositories.staging import day, lay
from tests.servers import S3, free_port, s3_client
from tests.servers import versioned_s3 as versioned_s3_server

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@dataclass
class Office:
    """A repository with two archives, pushed once to a folder that plays the cloud."""

    repository: BorgRepository
    mirror: RcloneMirror
    cloud: Path
    folder: Path

    def objects(self) -> Mapping[str, bytes]:
        files = (path for path in self.cloud.rglob("*") if path.is_file())
        return {str(path.relative_to(self.cloud)): path.read_bytes() for path in files}

    def segments(self) -> list[Path]:
        return sorted((self.folder / "data").glob("*/*"), key=lambda path: int(path.name))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The office, made once; each test works on its own copy."""
    root = tmp_path_factory.mktemp("office")
    (root / "cloud").mkdir()
    office = _office_at(root)
    office.repository.create_repository()
    for number in range(2):
        content = os.urandom(300_000)
        layout = lay(root / "stage", {"manifest.json": b"{}", f"export/{number}.csv": content})
        office.repository.create(day(number, layout), layout, Watch())
    office.mirror.push(office.repository, Watch())
    return root


def _office_at(root: Path) -> Office:
    repository = borg_at(root / "repository", root / "state")
    mirror = RcloneMirror(
        "cloud",
        "disk-a",
        str(root / "cloud"),
        None,
        state=root / "rclone",
        expires_after=timedelta(days=90),
    )
    return Office(repository, mirror, root / "cloud", root / "repository")


@pytest.fixture
def office(made: Path) -> Iterator[Office]:
    """The office at its own place, put back as it was by the end of the test."""
    kept = made.with_name("kept-office")
    shutil.copytree(made, kept)
    yield _office_at(made)
    shutil.rmtree(made)
    kept.rename(made)


@pytest.mark.slow
class TestRcloneMirrorOnS3(MirrorContract):
    @pytest.fixture
    def repository(self, tmp_path: Path) -> BorgRepository:
        repository = borg_at(tmp_path / "repository", tmp_path / "state")
        repository.create_repository()
        return repository

    @pytest.fixture
    def mirror(self, tmp_path: Path, s3: S3) -> RcloneMirror:
        return _on(s3, tmp_path)

    def opened(self, fetched: Path, tmp_path: Path) -> BorgRepository:
        return borg_at(fetched, tmp_path / "throw-away", read_only=True)


def _on(server: S3, tmp_path: Path, folder: str = "/front") -> RcloneMirror:
    config = server.write_rclone_config(tmp_path / "rclone.conf")
    remote = f"{server.remote}{folder}"
    return RcloneMirror("cloud", "disk-a", remote, config, state=tmp_path / "rclone")


def test_a_versioned_bucket_keeps_one_version_of_each_object(
    tmp_path: Path, versioned_s3: S3, office: Office
) -> None:
    mirror = _on(versioned_s3, tmp_path)
    mirror.push(office.repository, Watch())
    mirror.push(office.repository, Watch())
    mirror.compare(office.repository, Watch())
    with s3_client(versioned_s3) as client:
        listed = client.list_object_versions(Bucket=versioned_s3.bucket)
    keys = [version["Key"] for version in listed["Versions"]]
    assert "DeleteMarkers" not in listed
    assert len(keys) == len(set(keys)) >= 10


def test_index_hints_locks_and_nonce_stay_home(office: Office) -> None:
    top = {name.split("/")[1] for name in office.objects()}
    assert top == {"config", "README", "data", "whole"}


def test_every_object_lies_under_the_repositorys_id(office: Office) -> None:
    identity = office.repository.id()
    assert {name.split("/")[0] for name in office.objects()} == {identity}


def _empty(office: Office) -> None:
    for segment in office.segments():
        segment.unlink()


def _ransom(office: Office) -> None:
    for segment in office.segments():
        segment.write_bytes(os.urandom(segment.stat().st_size + 16))


def _ransom_same_size(office: Office) -> None:
    for segment in office.segments():
        segment.write_bytes(os.urandom(segment.stat().st_size))


def _truncate(office: Office) -> None:
    for segment in office.segments():
        segment.write_bytes(segment.read_bytes()[:-1])


def _zero(office: Office) -> None:
    for segment in office.segments():
        segment.write_bytes(b"")


def _rename(office: Office) -> None:
    for segment in office.segments():
        segment.rename(segment.with_name(segment.name + ".locked"))


def _rename_numbers(office: Office) -> None:
    first, *_, last = (s for s in office.segments() if s.stat().st_size > 1000)
    first.rename(first.with_name("swap"))
    last.rename(first)
    first.with_name("swap").rename(last)


def _lose_one(office: Office) -> None:
    max(office.segments(), key=lambda path: path.stat().st_size).unlink()


def _flip(office: Office) -> None:
    segment = max(office.segments(), key=lambda path: path.stat().st_size)
    stat, data = segment.stat(), bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    os.utime(segment, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _lose_all(office: Office) -> None:
    shutil.rmtree(office.folder)


def _leave_an_empty_mount_point(office: Office) -> None:
    shutil.rmtree(office.folder)
    office.folder.mkdir()


def _lose_data_folder(office: Office) -> None:
    shutil.rmtree(office.folder / "data")


def _tear_config(office: Office) -> None:
    (office.folder / "config").write_bytes(b"")


def _change_config(office: Office) -> None:
    with (office.folder / "config").open("a") as file:
        file.write("\n# a remark\n")


def _cut_config(office: Office) -> None:
    config = office.folder / "config"
    config.write_bytes(config.read_bytes()[:250])


def _append(office: Office) -> None:
    for segment in office.segments():
        with segment.open("ab") as file:
            file.write(b"x")


def _replace_by_links(office: Office) -> None:
    for segment in office.segments():
        segment.unlink()
        segment.symlink_to("/etc/hostname")


def _back_to_an_empty_repository(office: Office) -> None:
    shutil.rmtree(office.folder)
    borg_at(office.folder, office.folder.with_name("other-state")).create_repository()


DAMAGES = [
    _empty,
    _ransom,
    _ransom_same_size,
    _truncate,
    _zero,
    _rename,
    _rename_numbers,
    _lose_one,
    _flip,
    _lose_all,
    _leave_an_empty_mount_point,
    _lose_data_folder,
    _tear_config,
    _change_config,
    _cut_config,
    _append,
    _replace_by_links,
]


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def test_B2_whatever_happens_to_the_disk_no_object_is_deleted_or_replaced(
    office: Office, damage: object
) -> None:
    before = office.objects()
    assert callable(damage)
    damage(office)
    refused: ApplianceError | None = None
    try:
        office.mirror.push(office.repository, Watch())
    except ApplianceError as error:
        refused = error
    seen_by_verification_before_any_push = {_lose_one, _flip}
    assert refused is not None or damage in seen_by_verification_before_any_push
    after = office.objects()
    assert {name: after.get(name) for name in before} == before


def test_B12_a_disk_with_another_repository_gets_its_own_prefix(office: Office) -> None:
    before = office.objects()
    _back_to_an_empty_repository(office)
    other = borg_at(office.folder, office.folder.with_name("other-state"))
    office.mirror.push(other, Watch())
    after = office.objects()
    assert {name: after.get(name) for name in before} == before
    assert {name.split("/")[0] for name in set(after) - set(before)} == {other.id()}


def test_B12_a_foreign_id_under_the_prefix_stops_the_mirror(office: Office) -> None:
    config = office.cloud / office.repository.id() / "config"
    config.write_text("[repository]\nid = " + "0" * 64 + "\n")
    with pytest.raises(MirrorRefused, match="another copy"):
        office.mirror.push(office.repository, Watch())
    assert "0" * 64 in config.read_text()


def test_B7_a_name_taken_by_other_content_is_named_and_left_alone(office: Office) -> None:
    layout = lay(office.folder.with_name("stage2"), {"manifest.json": os.urandom(5000)})
    taken = office.cloud / office.repository.id() / "data" / "0"
    newest = max(int(path.name) for path in office.segments())
    (taken / str(newest)).write_bytes(b"left by a mirror before the power went")
    office.repository.create(day(5, layout), layout, Watch())
    with pytest.raises(MirrorRefused, match=f"data/0/{newest}"):
        office.mirror.push(office.repository, Watch())
    assert (taken / str(newest)).read_bytes().startswith(b"left by a mirror")


def test_B7_segments_that_are_not_committed_are_not_sent(office: Office) -> None:
    index = max(int(path.suffix[1:]) for path in office.folder.glob("index.*"))
    office.mirror.push(office.repository, Watch())
    sent = [int(name.rsplit("/", 1)[1]) for name in office.objects() if "/data/" in name]
    assert max(sent) <= index


def test_B3_a_byte_flipped_in_the_cloud_is_found_by_the_comparison(office: Office) -> None:
    victim = max(office.cloud.rglob("data/*/*"), key=lambda path: path.stat().st_size)
    stat, data = victim.stat(), bytearray(victim.read_bytes())
    data[100] ^= 1
    victim.write_bytes(data)
    os.utime(victim, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for proof in (office.mirror.compare, office.mirror.push):
        with pytest.raises(MirrorRefused, match=victim.name):
            proof(office.repository, Watch())
    assert victim.read_bytes() == bytes(data)


def test_B6_an_object_altered_in_the_cloud_fails_the_restore(
    office: Office, tmp_path: Path
) -> None:
    victim = max(office.cloud.rglob("data/*/*"), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    copy = borg_at(
        office.mirror.fetch(None, tmp_path, Watch()),
        tmp_path.with_name("throw-away"),
        read_only=True,
    )
    with pytest.raises(RepositoryDamaged):
        copy.check(Watch())


def test_B6_an_object_missing_in_the_cloud_fails_the_restore(
    office: Office, tmp_path: Path
) -> None:
    lost = max(office.cloud.rglob("data/*/*"), key=lambda path: path.stat().st_size)
    lost.unlink()
    with pytest.raises(MirrorRefused, match=f"lacks data/0/{lost.name}"):
        office.mirror.fetch(None, tmp_path, Watch())


def test_B1_mirror_and_compact_are_serialised_and_the_copy_is_whole(
    office: Office, tmp_path: Path
) -> None:
    archives = office.repository.archives()
    office.repository.delete("crm", archives[:1], Watch())
    patient = borg_at(office.folder, office.folder.with_name("state"))
    done: list[object] = []
    compacting = threading.Thread(target=lambda: done.append(patient.compact(Watch())))
    compacting.start()
    try:
        office.mirror.push(office.repository, Watch())
    finally:
        compacting.join()
    assert done == [None]
    office.mirror.push(office.repository, Watch())
    copy = borg_at(
        office.mirror.fetch(None, tmp_path, Watch()),
        tmp_path.with_name("throw-away"),
        read_only=True,
    )
    copy.check(Watch())
    assert copy.archives() == archives[1:]


def test_B10_a_push_is_cancelled_within_ten_seconds_and_leaves_no_lock(
    office: Office, tmp_path: Path
) -> None:
    slow = RcloneMirror(
        "slow", "disk-a", str(tmp_path / "far"), None, "8k", state=tmp_path / "rclone"
    )
    moved = threading.Event()
    watch = Watch(progress=lambda progress: moved.set())
    failures: list[BaseException] = []

    def push() -> None:
        try:
            slow.push(office.repository, watch)
        except BaseException as error:  # noqa: BLE001 - handed to the assertions below
            failures.append(error)

    pushing = threading.Thread(target=push)
    pushing.start()
    assert moved.wait(30)
    asked = time.monotonic()
    watch.cancel.set()
    pushing.join()
    assert time.monotonic() - asked < 10
    assert [type(error) for error in failures] == [Cancelled]
    assert not (office.folder / "lock.exclusive").exists()
    office.mirror.push(office.repository, Watch())


def test_B13_a_cloud_that_accepts_and_drops_is_found_out(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An rclone whose `copy` says 0 and copies nothing; its `check` is the real one."""
    real = shutil.which("rclone") or str(Path(os.sys.executable).parent / "rclone")
    stub = tmp_path / "rclone"
    stub.write_text(f'#!/bin/sh\n[ "$1" = copy ] && exit 0\nexec {real} "$@"\n')
    stub.chmod(0o755)
    monkeypatch.setattr("appliance.system.process.find", _finding(stub))
    mirror = RcloneMirror("cloud", "disk-a", str(tmp_path / "far"), None, state=tmp_path / "state")
    with pytest.raises(ApplianceError):
        mirror.push(office.repository, Watch())


def _finding(rclone: Path) -> object:
    from appliance.system.process import find

    return lambda program: str(rclone) if program == "rclone" else find(program)


def test_B11_an_old_rclone_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "rclone"
    old.write_text("#!/bin/sh\necho rclone v1.60.1-DEV\n")
    old.chmod(0o755)
    with pytest.raises(ToolFailed, match="too old"):
        checked_rclone(str(old))


def test_B11_only_names_that_borg_gives_are_brought_down(office: Office, tmp_path: Path) -> None:
    identity = office.repository.id()
    hostile = office.cloud / identity
    (hostile / "data" / "0" / "..evil").write_text("x")
    (hostile / "data" / "0" / "7\n8").write_text("x")
    (hostile / "nonce").write_text("x")
    (hostile / "README.exe").write_text("x")
    (hostile / "data" / "x").mkdir()
    (hostile / "data" / "x" / "1").write_text("x")
    into = tmp_path / "into"
    into.mkdir()
    fetched = office.mirror.fetch(None, into, Watch())
    found = {str(path.relative_to(fetched)) for path in fetched.rglob("*") if path.is_file()}
    ours = {f"data/{p.parent.name}/{p.name}" for p in office.segments()}
    assert found <= ours | {"config", "README", "THIS-IS-A-CLOUD-COPY"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["into"]


def test_a_cloud_that_does_not_answer_is_tried_again(office: Office, tmp_path: Path) -> None:
    dead = S3(f"http://127.0.0.1:{free_port()}", "office", None)
    with pytest.raises(MirrorUnreachable):
        _on(dead, tmp_path).push(office.repository, Watch())


def test_a_wrong_key_is_a_refusal_and_never_shown(office: Office, tmp_path: Path, s3: S3) -> None:
    wrong = S3(s3.endpoint, s3.bucket, None, secret_key="canary-7291")
    with pytest.raises(MirrorRefused) as caught:
        _on(wrong, tmp_path).push(office.repository, Watch())
    assert "canary-7291" not in caught.value.message + caught.value.detail


def test_B9_an_encrypted_configuration_is_opened_and_nothing_of_it_is_told(
    office: Office, tmp_path: Path, s3: S3
) -> None:
    password = tmp_path / "a folder" / "password"
    password.parent.mkdir()
    password.write_text("an office's password\n")
    config = s3.write_rclone_config(tmp_path / "rclone.conf")
    argv = [find("rclone"), "config", "encryption", "set", f"--config={config}"]
    subprocess.run([*argv, f'--password-command=cat "{password}"'], check=True)
    assert s3.secret_key not in config.read_text()

    def opened(remote: str) -> RcloneMirror:
        state = tmp_path / "rclone"
        return RcloneMirror(
            "cloud", "disk-a", remote, config, state=state, config_password=lambda: password
        )

    opened(s3.remote).push(office.repository, Watch())
    opened(s3.remote).compare(office.repository, Watch())
    locked = RcloneMirror("cloud", "disk-a", s3.remote, config, state=tmp_path / "rclone")
    with pytest.raises(ApplianceError) as refused:
        locked.push(office.repository, Watch())
    assert "rclone_config_password" in refused.value.hint
    said = opened(s3.remote)._rclone._without_secrets(f"key {s3.secret_key} is wrong")
    assert said == "key *** is wrong"
    password.write_text("another\n")
    with pytest.raises(ApplianceError) as wrong:
        opened(s3.remote).push(office.repository, Watch())
    assert "rclone_config_password" in wrong.value.hint


def test_B8_a_key_that_was_revoked_is_found_out(tmp_path: Path, s3: S3) -> None:
    dead = S3(s3.endpoint, s3.bucket, None, secret_key="revoked")
    with pytest.raises(MirrorRefused):
        _on(dead, tmp_path).keeps_what_it_got(Watch())


@pytest.mark.parametrize("folder", ["", "/front"])
def test_B4_a_bucket_without_versions_does_not_keep_what_it_got(
    tmp_path: Path, s3: S3, folder: str
) -> None:
    assert not _on(s3, tmp_path, folder).keeps_what_it_got(Watch())


def test_B4_a_bucket_whose_versions_our_key_may_delete_does_not_keep_them(
    tmp_path: Path, versioned_s3: S3
) -> None:
    assert not _on(versioned_s3, tmp_path).keeps_what_it_got(Watch())


def test_B4_a_locked_bucket_keeps_what_it_got_time_and_again(
    tmp_path: Path, office: Office
) -> None:
    with versioned_s3_server(locked=True) as locked:
        mirror = _on(locked, tmp_path)
        mirror.push(office.repository, Watch())
        assert mirror.keeps_what_it_got(Watch())
        assert mirror.keeps_what_it_got(Watch())
        mirror.compare(office.repository, Watch())


def test_B4_the_root_of_a_remote_can_be_tried_too(tmp_path: Path) -> None:
    config = tmp_path / "rclone.conf"
    (tmp_path / "cloud").mkdir()
    config.write_text(f"[cloud]\ntype = alias\nremote = {tmp_path / 'cloud'}\n")
    mirror = RcloneMirror("cloud", "disk-a", "cloud:", config, state=tmp_path / "rclone")
    assert not mirror.keeps_what_it_got(Watch())
    assert list((tmp_path / "cloud").iterdir()) == []


def test_several_copies_in_one_cloud_must_be_named(office: Office, tmp_path: Path) -> None:
    (office.cloud / ("0" * 64)).mkdir()
    (office.cloud / ("0" * 64) / "config").write_text("id = 1\n")
    with pytest.raises(MirrorRefused, match="2 copies"):
        office.mirror.fetch(None, tmp_path, Watch())


def test_a_repository_behind_ssh_cannot_be_mirrored_from_here(office: Office) -> None:
    class Far:
        name = "far"
        path = None

        def id(self) -> str:
            return "0" * 64

    with pytest.raises(MirrorRefused, match="another host"):
        office.mirror.push(Far(), Watch())


def test_a_cloud_copy_is_not_mirrored_again(office: Office) -> None:
    (office.folder / "THIS-IS-A-CLOUD-COPY").touch()
    with pytest.raises(WrongDisk):
        office.mirror.push(office.repository, Watch())


def test_expire_removes_only_what_was_missing_long_enough(office: Office, tmp_path: Path) -> None:
    archives = office.repository.archives()
    office.repository.delete("crm", archives[:1], Watch())
    office.repository.compact(Watch())
    office.mirror.push(office.repository, Watch())
    before = office.objects()
    first = office.mirror.expire(office.repository, NOW, {}, Watch())
    assert first.removed == ()
    assert first.missing
    assert office.objects() == before
    later = NOW + timedelta(days=91)
    second = office.mirror.expire(office.repository, later, first.missing, Watch())
    assert set(second.removed) <= set(first.missing)
    gone = {name.split("/data/")[1] for name in set(before) - set(office.objects())}
    assert gone == set(second.removed)
    assert 0 < len(gone) <= 0.2 * len(before)
    copy = borg_at(
        office.mirror.fetch(None, tmp_path, Watch()),
        tmp_path.with_name("throw-away"),
        read_only=True,
    )
    copy.check(Watch())


def test_expire_removes_nothing_because_of_an_emptied_or_set_back_disk(office: Office) -> None:
    before = office.objects()
    known = {name.split("/data/")[1]: NOW for name in before if "/data/" in name}
    later = NOW + timedelta(days=400)
    for segment in office.segments()[5:]:
        segment.unlink()
    with pytest.raises(ApplianceError):
        office.mirror.expire(office.repository, later, known, Watch())
    _empty(office)
    with pytest.raises(ApplianceError):
        office.mirror.expire(office.repository, later, known, Watch())
    assert office.objects() == before


def _add(office: Office, number: int = 5) -> None:
    layout = lay(office.folder.with_name(f"stage-{number}"), {"manifest.json": os.urandom(50_000)})
    office.repository.create(day(number, layout), layout, Watch())


def _stub(tmp_path: Path, on_copy: str) -> Path:
    """An rclone that is the real one, but for `copy`."""
    from appliance.system.process import find

    stub = tmp_path / "rclone-stub"
    stub.write_text(f'#!/bin/sh\nreal={find("rclone")}\n[ "$1" != copy ] || {{ {on_copy}; }}\n')
    stub.write_text(stub.read_text() + 'exec "$real" "$@"\n')
    stub.chmod(0o755)
    return stub


def test_a_night_without_news_sends_nothing_and_still_looks(office: Office) -> None:
    office.mirror.push(office.repository, Watch())
    before, here = office.objects(), office.segments()
    sent = office.mirror.push(office.repository, Watch())
    assert (sent.files, sent.size_bytes) == (0, 0)
    assert office.objects() == before
    assert office.segments() == here
    victim = max(office.cloud.rglob("data/*/*"), key=lambda path: path.stat().st_size)
    victim.unlink()
    office.mirror.push(office.repository, Watch())
    assert victim.is_file()
    _add(office)
    assert office.mirror.push(office.repository, Watch()).size_bytes > 50_000


def test_B3_what_a_large_repository_sends_is_compared_by_hashes(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cloud that flips a byte of what it is given, and tells the right size."""
    monkeypatch.setattr("appliance.mirrors.rclone.HASHED_UP_TO_BYTES", 0)
    mark = tmp_path / "mark"
    mark.touch()
    found = f"find {office.cloud} -path '*/data/*' -type f -size +20k -newer {mark}"
    flip = f'"$real" "$@"; printf XX | dd of=$({found}) bs=1 seek=99 conv=notrunc; exit 0'
    monkeypatch.setattr("appliance.system.process.find", _finding(_stub(tmp_path, flip)))
    _add(office)
    with pytest.raises(MirrorRefused, match="differs at data/"):
        office.mirror.push(office.repository, Watch())


def test_a_large_repository_is_pushed_and_compared(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.mirrors.rclone.HASHED_UP_TO_BYTES", 0)
    _add(office)
    assert office.mirror.push(office.repository, Watch()).files > 0
    office.mirror.compare(office.repository, Watch())


def test_a_cloud_in_which_nothing_moves_is_given_up_and_the_lock_with_it(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = """while :; do echo '{"stats": {"bytes": 7}}' >&2; sleep 0.2; done"""
    monkeypatch.setattr("appliance.system.process.find", _finding(_stub(tmp_path, talk)))
    monkeypatch.setattr("appliance.mirrors.messages.SILENCE", timedelta(seconds=4))
    _add(office)
    with pytest.raises(MirrorUnreachable, match="did not move"):
        office.mirror.push(office.repository, Watch())
    assert not (office.folder / "lock.exclusive").exists()


def test_another_reserve_does_not_stop_the_mirror(office: Office) -> None:
    office.mirror.push(office.repository, Watch())
    config = office.folder / "config"
    kept = (office.cloud / office.repository.id() / "config").read_bytes()
    changed = config.read_text().replace("additional_free_space = 0", "additional_free_space = 9")
    assert changed != config.read_text()
    config.write_text(changed)
    office.mirror.push(office.repository, Watch())
    _add(office)
    office.mirror.push(office.repository, Watch())
    office.mirror.compare(office.repository, Watch())
    assert (office.cloud / office.repository.id() / "config").read_bytes() == kept


def test_expire_keeps_the_newest_thirty_lists_of_what_was_pushed(office: Office) -> None:
    lists = office.cloud / office.repository.id() / "whole"
    (newest,) = lists.iterdir()
    for number in range(40):
        (lists / f"0{number}").write_text("0/0-0\n")
        (lists / f"0{number}").rename(lists / str(number))
    lists.joinpath(newest.name).write_text(newest.read_text())
    before = {int(path.name) for path in lists.iterdir()}
    office.mirror.expire(office.repository, NOW, {}, Watch())
    assert {int(path.name) for path in lists.iterdir()} == set(sorted(before)[-30:])


def test_nothing_of_the_clouds_settings_stands_in_an_error(office: Office, tmp_path: Path) -> None:
    config = tmp_path / "rclone.conf"
    config.write_text("[far]\ntype = s3\nsecret_access_key = canary-1\ncanary-torn-line\n")
    mirror = RcloneMirror("cloud", "disk-a", "far:b", config, state=tmp_path / "state")
    with pytest.raises(ApplianceError) as caught:
        mirror.push(office.repository, Watch())
    assert "canary" not in caught.value.message + caught.value.detail + caught.value.hint
    said = mirror._rclone._without_secrets("it said canary-1 and canary-torn-line")
    assert said == "it said *** and ***"


@pytest.mark.parametrize(
    "line", ["{", "{}", '{"stats": 3}', '{"stats": {"bytes": "x"}}', "[]", "\x00\ufffd", "{" * 9000]
)
def test_any_line_at_all_is_taken(line: str) -> None:
    said = Said(lambda done, total: None)
    said.hear(line)
    assert said.differing == []
