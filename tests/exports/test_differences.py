import random
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.errors import Cancelled, RepositoryDamaged
from appliance.exports import differences
from appliance.exports.differences import Before, Growth, packed_size, replay
from appliance.exports.parts import Stretch

from .days import changed, csv, table

ZSTD = "/usr/bin/zstd"


def nothing() -> None:
    """Nobody asks to stop."""


def stretch(folder: Path, content: bytes, name: str = "new") -> Stretch:
    path = folder / name
    path.write_bytes(content)
    return Stretch(path, 0, len(content))


def test_stock_zstd_applies_our_patches(tmp_path):
    old, new = csv(table(3000)), csv(changed(table(3000), 2))
    (tmp_path / "old").write_bytes(old)
    Before(old).patch(stretch(tmp_path, new), tmp_path / "01.zst")
    command = [ZSTD, "-d", "-q", "--long=31", "--patch-from=old", "01.zst", "-o", "made"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "made").read_bytes() == new


def test_we_apply_the_patches_of_stock_zstd(tmp_path):
    old, new = csv(table(3000)), csv(changed(table(3000), 2))
    stretch(tmp_path, old, "old")
    stretch(tmp_path, new)
    command = [ZSTD, "-q", "-19", "--patch-from=old", "new", "-o", "01.zst"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    links = [tmp_path / "old", tmp_path / "01.zst"]
    assert b"".join(replay(links, nothing)) == new


def test_a_patch_is_hardly_larger_than_the_best_that_zstd_can_do(tmp_path):
    old, new = csv(table(20_000)), csv(changed(table(20_000), 2, rows=100))
    stretch(tmp_path, old, "old")
    ours = Before(old).patch(stretch(tmp_path, new), tmp_path / "ours").size_bytes
    command = [ZSTD, "-q", "-19", "--patch-from=old", "new", "-o", "best"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert ours <= 1.3 * (tmp_path / "best").stat().st_size


def test_the_size_and_hash_of_a_patch_are_those_of_its_file(tmp_path):
    patch = tmp_path / "01.zst"
    stored = Before(b"a" * 100).patch(stretch(tmp_path, b"a" * 90 + b"b" * 20), patch)
    line = subprocess.run(["sha256sum", patch], capture_output=True, text=True, check=True).stdout
    assert stored.sha256 == line.split()[0]
    assert stored.size_bytes == patch.stat().st_size


@settings(max_examples=60, deadline=None)
@given(versions=st.lists(st.binary(min_size=8, max_size=3000), min_size=2, max_size=6))
def test_any_bytes_are_replayed(tmp_path_factory, versions):
    folder = tmp_path_factory.mktemp("chain")
    links = [stretch(folder, versions[0], "00").file]
    for number, (old, new) in enumerate(pairwise(versions), 1):
        links.append(folder / f"{number:02d}.zst")
        Before(old).patch(stretch(folder, new), links[-1])
    assert b"".join(replay(links, nothing)) == versions[-1]


@settings(max_examples=40, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 60_000), st.binary(max_size=50)), max_size=12))
def test_edits_anywhere_are_replayed(tmp_path_factory, edits):
    folder = tmp_path_factory.mktemp("edits")
    old = csv(table(800))
    new = old
    for place, what in edits:
        new = new[:place] + what + new[place + len(what) // 2 :]
    links = [stretch(folder, old, "00").file, folder / "01.zst"]
    Before(old).patch(stretch(folder, new), links[1])
    assert b"".join(replay(links, nothing)) == new


def three_links(folder: Path) -> list[Path]:
    lines = table(2000)
    links = [stretch(folder, csv(lines), "00").file]
    for day in (1, 2):
        before, lines = csv(lines), changed(lines, day)
        links.append(folder / f"{day:02d}.zst")
        Before(before).patch(stretch(folder, csv(lines)), links[-1])
    return links


@pytest.mark.parametrize("victim", [1, 2])
def test_a_patch_that_was_cut_or_flipped_is_damage(tmp_path, victim):
    links = three_links(tmp_path)
    whole = links[victim].read_bytes()
    chance = random.Random(1)
    for _ in range(40):
        place = chance.randrange(len(whole))
        for bad in (whole[:place], whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]):
            links[victim].write_bytes(bad)
            with pytest.raises(RepositoryDamaged):
                list(replay(links, nothing))


def test_a_base_that_was_flipped_is_damage(tmp_path):
    links = three_links(tmp_path)
    base = bytearray(links[0].read_bytes())
    base[1000] ^= 1
    links[0].write_bytes(base)
    with pytest.raises(RepositoryDamaged):
        list(replay(links, nothing))


def test_a_missing_link_is_damage(tmp_path):
    links = three_links(tmp_path)
    links[1].unlink()
    with pytest.raises(RepositoryDamaged):
        list(replay(links, nothing))


def test_C8_a_patch_that_unpacks_to_more_than_any_part_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(differences, "MAX_LINK_BYTES", 1 << 20)
    links = [stretch(tmp_path, b"0" * 100, "00").file, tmp_path / "01.zst", tmp_path / "02.zst"]
    bomb = stretch(tmp_path, b"0" * (5 << 20))
    Before(b"0" * 100).patch(bomb, links[1])
    Before(b"0" * 100).patch(bomb, links[2])
    with pytest.raises(RepositoryDamaged, match="impossible size"):
        list(replay(links, nothing))


def test_replaying_can_be_cancelled_between_links(tmp_path):
    def stop() -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        list(replay(three_links(tmp_path), stop))


def test_a_disk_that_changes_what_is_written_is_noticed(tmp_path, monkeypatch):
    real = Path.open

    def lying(self, mode="r", *rest, **more):
        if self.name == "01.zst" and mode == "rb":
            content = self.read_text("latin-1")
            self.write_text(content[:-1] + chr(ord(content[-1]) ^ 1), "latin-1")
        return real(self, mode, *rest, **more)

    old, new = csv(table(500)), csv(changed(table(500), 2))
    bad = stretch(tmp_path, new)
    monkeypatch.setattr(Path, "open", lying)
    with pytest.raises(RepositoryDamaged):
        Before(old).patch(bad, tmp_path / "01.zst")


def test_the_packed_size_is_what_zstd_makes_of_it(tmp_path):
    content = stretch(tmp_path, csv(table(3000)))
    packed = subprocess.run(
        [ZSTD, "-3", "-c", content.file], capture_output=True, check=True
    ).stdout
    assert packed_size(content) == pytest.approx(len(packed), rel=0.02)


def test_sixty_days_of_an_ordinary_crm_stay_one_chain():
    """Numbers of perf-lab.md: 105.3 MB, 25.2 MB packed, 0.187 MB a day, 0.193 after a month."""
    patches: tuple[int, ...] = ()
    for day in range(2, 61):
        growth = Growth(105_300_000, 25_200_000, patches, 124_000_000)
        patch = 180_000 if day <= 30 else 193_000
        assert growth.takes(patch, 110_000_000), day
        patches += (patch,)


def test_sixty_days_of_a_livelier_one_stay_one_chain_too():
    """Numbers of the bench's own CRM: 115 MB, 20.1 MB packed, 0.2 MB a day and rising."""
    patches: tuple[int, ...] = ()
    for day in range(2, 61):
        growth = Growth(115_000_000, 20_100_000, patches, 120_000_000)
        assert growth.takes(192_000 + 500 * day, 117_000_000), day
        patches += (192_000 + 500 * day,)


def test_a_chain_ends_when_its_patches_outweigh_the_base():
    assert Growth(1000, 400, (150, 150), 1000).takes(100, 1000)
    assert not Growth(1000, 400, (150, 150), 1000).takes(101, 1000)


def test_a_patch_that_saves_less_than_half_is_not_worth_it():
    assert Growth(1000, 400, (), 1000).takes(199, 1000)
    assert not Growth(1000, 400, (), 1000).takes(200, 1000)
    assert not Growth(1000, 4000, (), 1000).takes(300, 100)


def test_a_chain_ends_when_rebuilding_it_would_take_too_long():
    assert Growth(1000, 1 << 30, (1,) * 198, 1000).takes(1, 1000)
    assert not Growth(1000, 1 << 30, (1,) * 199, 1000).takes(1, 1000)
    assert Growth(32 << 20, 1 << 30, (1,) * 60, 2 << 30).takes(1, 32 << 20)
    assert not Growth(32 << 20, 1 << 30, (1,) * 63, 2 << 30).takes(1, 32 << 20)
