"""Which backups a timeline is told of, and in which order, over fakes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appliance.core.errors import Cancelled, DiskAbsent, DiskFull, RepositoryDamaged
from appliance.core.model import Outcome
from appliance.core.ports import Watch
from appliance.engine import memory
from appliance.engine.timeline import fetched, freshened, is_fresh


class FakeTimeline:
    """Remembers what it was told, and what each backup was compared with."""

    def __init__(self):
        self.told, self.skipped, self.stood_on = [], set(), []
        self.torn, self.error = set(), None

    def archives(self):
        return [archive for archive, _ in self.told]

    def passed_over(self):
        return frozenset(self.skipped)

    def forget(self, archives, watch):
        self.told = [each for each in self.told if each[0].name not in archives]

    def growth(self, work, watch):
        assert not list(work.iterdir())
        return self

    def stand_on(self, archive, root):
        assert (root / "export").is_dir()
        self.stood_on.append(archive.name)

    def add(self, archive, root, passed_over):
        if self.error:
            raise self.error
        if archive.name in self.torn:
            raise RepositoryDamaged(f"{archive.name} says nothing.")
        self.told.append((archive, (root / "export" / "a.csv").read_text()))
        self.skipped |= set(passed_over)

    @property
    def text(self):
        return "".join(text for _, text in self.told)


@pytest.fixture
def timeline():
    return FakeTimeline()


def backed_up(box, *days):
    names = []
    for day in days:
        box.clock.forward(timedelta(days=1))
        names.append(box.back_up(day).archive)
    return names


def fresh(box, timeline, places=None, watch=None):
    where = box.repositories if places is None else places
    return freshened(box.kit, where, "crm", timeline, watch or Watch())


def test_the_first_time_each_backup_is_read_once_and_then_only_what_is_new(box, timeline):
    _, _, third = backed_up(box, "a", "b", "c")
    assert not is_fresh(box.kit, "crm", timeline)
    assert fresh(box, timeline) == []
    assert (timeline.text, timeline.stood_on) == ("abc", [])
    assert is_fresh(box.kit, "crm", timeline)

    backed_up(box, "d")
    assert not is_fresh(box.kit, "crm", timeline)
    fresh(box, timeline)
    assert (timeline.text, timeline.stood_on) == ("abcd", [third])
    run = box.ledger.runs("timeline:crm")[0]
    assert (run.outcome, run.message) == (Outcome.OK, "The timeline tells of 1 more backup.")


def test_where_nothing_is_new_nothing_is_done(box, timeline):
    backed_up(box, "a")
    fresh(box, timeline)
    runs = len(box.ledger.runs())
    fresh(box, timeline)
    assert len(box.ledger.runs()) == runs


def test_what_retention_let_go_is_forgotten(box, timeline):
    _, second, _ = backed_up(box, "a", "b", "c")
    fresh(box, timeline)
    for disk in box.repositories:
        disk.held.pop(second)
        box.ledger.drop_copies(disk.name, [second])
    assert is_fresh(box.kit, "crm", timeline)  # the cloud has it
    box.ledger.drop_copies("cloud", [second])
    assert not is_fresh(box.kit, "crm", timeline)
    fresh(box, timeline)
    assert timeline.text == "ac"


def test_what_lies_on_a_disk_that_is_away_is_not_forgotten(box, timeline):
    _, second = backed_up(box, "a", "b")
    fresh(box, timeline)
    box.disk_a.held.pop(second)
    box.disk_b.errors["archives"] = DiskAbsent("It is away.")
    fresh(box, timeline, [box.disk_a, box.disk_b])
    assert timeline.text == "ab"


def test_a_backup_that_cannot_be_read_is_passed_over_and_said_once(box, timeline):
    _, second, _ = backed_up(box, "a", "b", "c")
    timeline.torn.add(second)
    (trouble,) = fresh(box, timeline)
    assert second in trouble.message
    assert timeline.text == "ac"
    assert box.ledger.runs("timeline:crm")[0].outcome is Outcome.WARNING
    assert is_fresh(box.kit, "crm", timeline)
    assert fresh(box, timeline) == []


def test_where_none_can_be_read_that_is_raised(box, timeline):
    backed_up(box, "a", "b")
    timeline.error = RepositoryDamaged("It is torn.")
    with pytest.raises(Exception, match="passed over"):
        fresh(box, timeline)


def test_a_held_one_is_left_out_until_somebody_says_that_it_is_right(box, timeline):
    first, second, _ = backed_up(box, "a", "b", "c")
    box.ledger.note(memory.key(memory.DECIDED, second), "")
    held = box.ledger.held
    box.ledger.held = lambda source: held(source) | {second}
    fresh(box, timeline)
    assert timeline.text == "ac"

    memory.decide(box.ledger, second, is_right=True)
    fresh(box, timeline)
    assert timeline.text == "abc"
    assert timeline.stood_on == [first]

    memory.decide(box.ledger, second, is_right=False)
    fresh(box, timeline)
    assert timeline.text == "ac"


def test_an_older_one_waits_while_what_came_after_it_is_away(box, timeline):
    _, second, third = backed_up(box, "a", "b", "c")
    box.disk_b.held.pop(second)
    box.disk_a.held.pop(third)
    fresh(box, timeline, [box.disk_b])
    assert timeline.text == "ac"
    box.disk_b.errors["archives"] = DiskAbsent("It is away.")
    fresh(box, timeline, [box.disk_a, box.disk_b])
    assert timeline.text == "ac"
    box.disk_b.errors.clear()
    fresh(box, timeline)
    assert timeline.text == "abc"


@pytest.mark.parametrize("error", [Cancelled("Stopped."), DiskFull("There is no room.")])
def test_what_ends_it_leaves_what_was_told(box, timeline, error):
    backed_up(box, "a", "b")
    fresh(box, timeline)
    backed_up(box, "c")
    timeline.error = error
    with pytest.raises(type(error)):
        fresh(box, timeline)
    assert timeline.text == "ab"
    assert not list((box.root / "staging").iterdir())
    timeline.error = None
    fresh(box, timeline)
    assert timeline.text == "abc"


def test_who_asks_to_stop_is_heard_between_two_backups(box, timeline):
    backed_up(box, "a", "b")
    watch = Watch()
    add = timeline.add
    timeline.add = lambda *what: (add(*what), watch.cancel.set())
    with pytest.raises(Cancelled):
        fresh(box, timeline, watch=watch)
    assert timeline.text == "a"


def test_some_are_taken_out_to_be_looked_at(box):
    backed_up(box, "a", "b", "c")
    seen = []

    def look(archive, root, work):
        assert not list(work.iterdir())
        seen.append((archive.name, (root / "export" / "a.csv").read_text()))

    wanted = [box.disk_a.archives("crm")[place] for place in (0, 2)]
    fetched(box.kit, box.repositories, wanted, look, Watch())
    assert seen == [(wanted[0].name, "a"), (wanted[1].name, "c")]
