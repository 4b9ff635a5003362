import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.exports.parts import Stretch, evenly, follow

from .days import csv, table


def whole(folder: Path, name: str, content: bytes) -> Stretch:
    path = folder / name
    path.write_bytes(content)
    return Stretch(path, 0, len(content))


def joined(parts) -> bytes:
    return b"".join(part.read() for part in parts)


def test_half_as_much_again_is_not_cut(tmp_path):
    assert len(evenly(whole(tmp_path, "a", b"x" * 1500), 1000)) == 1
    assert len(evenly(whole(tmp_path, "b", b"x" * 1501), 1000)) == 2


def test_parts_are_equal_but_for_the_last(tmp_path):
    content = csv(table(2000))
    parts = evenly(whole(tmp_path, "a", content), 20_000)
    assert joined(parts) == content
    assert {part.size_bytes for part in parts[:-1]} == {20_000}
    assert 10_000 <= parts[-1].size_bytes <= 30_000


def test_cuts_are_found_again_behind_new_rows(tmp_path):
    header, *rows = table(3000)
    old = evenly(whole(tmp_path, "old", csv([header, *rows])), 30_000)
    new = whole(tmp_path, "new", csv([header, *table(60, seed=9)[1:], *rows]))
    cuts = follow(old, new, 30_000)
    assert [cut.old for cut in cuts] == list(range(len(old)))
    assert [cut.new.read() for cut in cuts][1:] == [part.read() for part in old][1:]


def test_cuts_are_found_where_the_first_rows_of_a_part_are_gone(tmp_path):
    content = csv(table(3000))
    old = evenly(whole(tmp_path, "old", content), 30_000)
    start = old[1].start
    new = whole(tmp_path, "new", content[:start] + content[start + 500 :])
    cuts = follow(old, new, 30_000)
    assert [cut.new.read() for cut in cuts][2:] == [part.read() for part in old][2:]


def test_rewritten_content_is_cut_in_proportion(tmp_path):
    chance = random.Random(1)
    old = evenly(whole(tmp_path, "old", chance.randbytes(100_000)), 30_000)
    new = whole(tmp_path, "new", chance.randbytes(100_000))
    cuts = follow(old, new, 30_000)
    assert [cut.new.size_bytes for cut in cuts] == [part.size_bytes for part in old]


def test_a_part_that_grew_too_large_gives_its_surplus_away(tmp_path):
    chance = random.Random(1)
    content = chance.randbytes(40_000)
    old = evenly(whole(tmp_path, "old", content), 30_000)
    new = whole(tmp_path, "new", content + chance.randbytes(60_000))
    cuts = follow(old, new, 30_000)
    assert [cut.old for cut in cuts] == [0, None, None]
    assert max(cut.new.size_bytes for cut in cuts) <= 45_000


@settings(max_examples=80, deadline=None)
@given(
    old=st.binary(min_size=1, max_size=4000),
    new=st.binary(min_size=1, max_size=4000),
    part=st.integers(100, 2000),
)
def test_whatever_the_cuts_nothing_is_lost(tmp_path_factory, old, new, part):
    folder = tmp_path_factory.mktemp("cuts")
    parts = evenly(whole(folder, "old", old), part)
    assert joined(parts) == old
    cuts = follow(parts, whole(folder, "new", new), part)
    assert joined(cut.new for cut in cuts) == new
    assert all(0 < cut.new.size_bytes <= part * 3 // 2 + 1 for cut in cuts)
    used = [cut.old for cut in cuts if cut.old is not None]
    assert len(used) == len(set(used))
