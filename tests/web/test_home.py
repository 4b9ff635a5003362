"""The first screen: what it says in every state, and what its buttons do."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from appliance.core.days import MEANINGS
from appliance.core.errors import ApplianceError
from appliance.core.health import State
from appliance.core.model import Trigger
from appliance.core.outbox import Outbox, Route, vital
from appliance.core.signals import SIGNS, Reason
from appliance.core.vitals import as_json
from appliance.system.socket import WorkerAbsent
from appliance.web.badges import DAYS, STATES
from appliance.web.home import BLOCKS
from appliance.web.sight import Sight
from tests.web.conftest import ORIGIN
from tests.web.offices import HOUR, OFFICES, Office, days
from tests.web.reading import block, words

UNREAD = "This could not be read."
FORBIDDEN = (
    "repository", "repositories", "archive", "archives", "archived", "prune", "pruned", "chunk",
    "chunks", "borg", "rclone", "mirror", "mirrors", "mirrored", "drill", "drills", "passphrase",
    "segment", "dedup", "deduplicated", "compact", "ledger", "traceback", "none", "null",
    "undefined",
)  # fmt: skip
ROUND = [block.name for block in BLOCKS]


def show(box, office):
    """Have the box say how that office stands; return what it says."""
    office = office() if callable(office) else office
    box.facts = office.facts
    box.told_days = days(office.now)
    return box.facts


def page(keeper):
    answer = keeper.get("/", base_url=ORIGIN)
    assert answer.status_code == 200
    return answer.text


@pytest.fixture
def seen_anew(monkeypatch):
    """Every look is a new one: tests do not wait for half a second."""
    monkeypatch.setattr("appliance.web.sight._FRESH_SECONDS", 0.0)


def test_a_stranger_is_sent_to_the_door(visitor):
    for path in ("/", "/live"):
        answer = visitor.get(path, base_url=ORIGIN)
        assert (answer.status_code, answer.location) == (302, "/sign-in")


@pytest.mark.parametrize("name", OFFICES)
def test_every_state_of_an_office_is_told_whole_and_without_a_word_of_the_trade(
    keeper, box, name, seen_anew
):
    facts = show(box, OFFICES[name])
    html = page(keeper)
    said = words(html)
    assert UNREAD not in said
    lower = re.findall(r"[a-z-]+", re.sub(r"mirror:|drill:|check:", " ", said.lower()))
    assert not set(FORBIDDEN) & set(lower), set(FORBIDDEN) & set(lower)
    assert not set(re.findall(r"[a-z]+", attributes(html).lower())) & set(FORBIDDEN)
    assert "`" not in said, "a command is not for whoever has no terminal"
    verdict = words(block(html, "verdict"))
    assert verdict.startswith(f"{STATES[State(facts['state'])].word}. ")
    others = {each.word for state, each in STATES.items() if state != facts["state"]}
    assert not [word for word in others if verdict.startswith(word)]


def attributes(html):
    """What is read aloud or shown beside the words."""
    return " ".join(re.findall(r'(?:title|aria-label|alt|placeholder)="([^"]*)"', html))


@pytest.mark.parametrize(
    ("name", "word", "shape", "sentence"),
    [
        ("safe", "Safe", "good", "Last good copy 6 hours ago, here and in the cloud."),
        ("running", "Working", "work", "Last good copy 6 hours ago"),
        ("failed", "Please look", "alarm", "The server at crm.example.org did not answer."),
        ("held", "Held for review", "ask", "Only 3 of 14,000 contacts came."),
        ("overdue", "Getting old", "act", "a newer one should be there."),
        ("no time", "Waiting", "wait", "The clock is not set yet"),
        ("nothing is set up", "Please look", "alarm", "Nothing is set up to be backed up yet."),
        ("the first is awaited", "Please look", "alarm", "There is no good copy yet."),
    ],
)
def test_the_first_thing_is_whether_we_are_safe(keeper, box, name, word, shape, sentence):
    show(box, OFFICES[name])
    verdict = block(page(keeper), "verdict")
    assert f"{word}. " in words(verdict)
    assert sentence in words(verdict)
    assert re.search(rf'<h1 class="verdict {shape}">', verdict)


def test_the_blocks_stand_in_their_order(keeper, box):
    show(box, OFFICES["safe"])
    assert re.findall(r'<section id="block-(\w+)"', page(keeper)) == [
        "verdict", "tasks", "press", "work", "sources", "days", "disks", "cloud", "box",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "todo"),
    [
        ("safe", "Nothing to do."),
        ("failed", "Check that the box is connected to the internet."),
        ("held", "Look at it on the page, then accept or reject it."),
        ("nothing is set up", "Set up a source."),
        ("damaged", SIGNS[Reason.DAMAGED].todo),
        ("weak power", "Use the power supply that belongs to the box"),
        ("the disk is asked for", "Today the disks change: bring disk-b"),
    ],
)
def test_the_one_thing_to_do_comes_next(keeper, box, name, todo):
    show(box, OFFICES[name])
    assert todo in words(block(page(keeper), "tasks"))


def test_the_worst_comes_first_and_the_same_is_said_once(keeper, box, seen_anew):
    facts = show(box, OFFICES["no time"])
    facts["vitals"] = [{"name": "clock", "state": "look", "sentence": "The clock is not set.",
                        "todo": facts["todo"], "reason": "clock"}]  # fmt: skip
    assert words(block(page(keeper), "tasks")).count(facts["todo"]) == 1
    facts = show(box, OFFICES["weak power"])
    facts["reasons"] = ["disk", "power"]
    said = words(block(page(keeper), "tasks"))
    assert said.index("Plug in the backup disk") < said.index("Use the power supply")


def test_that_messages_do_not_get_out_is_told_with_what_to_do(keeper, box):
    since, now = (datetime(2026, 11, day, 7, 0, tzinfo=UTC) for day in (20, 21))
    stuck = Outbox(routes={"mail": Route(failing=since, why="login", tries=5)})
    stuck = vital(stuck, {"mail": "mail to …@shop.example"}, ZoneInfo("UTC"), now)
    show(box, OFFICES["safe"])["vitals"] = [as_json(stuck)]
    html = page(keeper)
    assert "Messages have not got out since Fri 20 Nov 07:00" in words(block(html, "box"))
    assert "the server refuses the login" in words(block(html, "box"))
    assert "send a test message" in words(html)


def test_what_runs_is_told_in_words_with_a_bar(keeper, box):
    show(box, OFFICES["running"])
    html = block(page(keeper), "work")
    said = words(html)
    assert "crm: storing it" in said
    assert '<progress aria-label="How far this step is" max="100" value="35">' in html
    assert "37.0 MB of 105.0 MB, at work for 75 seconds; this step: about 2 minutes left" in said
    assert "Cancel crm" in said


def test_nobody_pretends_to_know_how_long(keeper, box):
    show(box, OFFICES["running, nobody knows how far"])
    html = block(page(keeper), "work")
    assert "left" not in words(html)
    assert "value=" not in re.search(r"<progress[^>]*>", html)[0]


def test_what_is_being_stopped_cannot_be_stopped_again(keeper, box):
    show(box, OFFICES["being stopped"])
    said = words(block(page(keeper), "work"))
    assert "crm: being stopped" in said
    assert "Cancel" not in said


def test_what_became_of_it_is_told_for_a_while(keeper, box, seen_anew):
    facts = show(box, OFFICES["just stopped"])
    assert "stopped on request" in words(block(page(keeper), "work"))
    box.facts = facts | {"as_of": (Office().now + timedelta(minutes=11)).isoformat()}
    assert "stopped on request" not in words(block(page(keeper), "work"))


def test_each_source_says_what_arrived_and_what_is_expected(keeper, box):
    show(box, OFFICES["two sources"])
    said = words(block(page(keeper), "sources"))
    for name in ("crm", "site"):
        assert f"{name} Safe Last good copy 6 hours ago" in said
    assert "Arrived yesterday 21:00" in said
    assert "Expected tomorrow 03:00" in said
    assert "Last time Done. 105.0 MB kept, 0.4 MB new." in said


def test_the_strip_says_each_day_by_shape_word_and_title(keeper, box):
    show(box, OFFICES["safe"])
    html = block(page(keeper), "days")
    cells = re.findall(r'<li class="(\w+)" title="([^"]+)"><b>(\d+)</b>(.*?)</li>', html)
    assert len(cells) == 30
    assert {shape for shape, *_ in cells} == {each.shape for each in DAYS.values()}
    assert len({each.shape for each in DAYS.values()}) == 7
    assert cells[-1][1:3] == ("Sat 21 Nov: It was copied.", "21"), "today is the last one"
    for _, _, _, word in cells:
        assert words(word) in MEANINGS.values()
    for meaning in MEANINGS.values():
        assert meaning in words(re.search(r'<ul class="legend">.*?</ul>', html, re.DOTALL)[0])
    assert "Fri 13 Nov: It was late" not in words(html).split("still to come")[0]


def test_the_disks_say_where_they_are_and_how_long_their_room_lasts(keeper, box, seen_anew):
    show(box, OFFICES["a disk is away"])
    said = words(block(page(keeper), "disks"))
    assert "disk-a Here" in said
    assert "400.0 GB free, enough for about 61 weeks." in said
    assert "disk-b Away Not here; last seen 5 days ago." in said
    assert said.count("Let disk-") == 1, "only who is here can be let go"


def test_a_disk_that_was_let_go_is_safe_to_unplug_only_once_it_is_at_rest(keeper, box, seen_anew):
    facts = show(box, OFFICES["let go"])
    assert "disk-a Safe to unplug" in words(block(page(keeper), "disks"))
    facts["disks"][0] |= {"at_rest": False, "in_use": True}
    said = words(block(page(keeper), "disks"))
    assert "Finishing" in said
    assert "disk-a Safe to unplug" not in said


@pytest.mark.parametrize(
    ("name", "block_name", "sentence"),
    [
        ("nothing is set up", "press", "Nothing is set up to be backed up yet."),
        ("nothing is set up", "sources", "Nothing is set up to be backed up yet."),
        ("nothing is set up", "disks", "No disk is set up that can be unplugged."),
        ("nothing is set up", "cloud", "No cloud copy is set up"),
        ("no cloud", "cloud", "No cloud copy is set up"),
        ("the first is awaited", "cloud", "Not yet Not everything has a proved copy there yet."),
        ("the first is awaited", "disks", "No copy on it yet."),
        ("losable cloud", "cloud", "Whoever takes over this box could destroy the copy there."),
        ("safe", "cloud", "Fresh Newest proved copy: yesterday 21:00, 6 hours ago."),
    ],
)
def test_what_is_not_there_yet_is_a_sentence(keeper, box, name, block_name, sentence):
    show(box, OFFICES[name])
    assert sentence in words(block(page(keeper), block_name))


GARBAGE = (None, 17, True, "", "nonsense", [], {}, [17], [None], [{}], {"crm": 3}, -1, float("nan"))
NEEDS = {
    "verdict": ("state", "sentence"),
    "tasks": ("todo", "reasons", "vitals", "reminder"),
    "press": ("sources",),
    "work": ("running", "waiting", "ended"),
    "sources": ("sources",),
    "disks": ("disks",),
    "cloud": ("mirrors", "copies"),
    "box": ("box", "vitals"),
}


@pytest.mark.parametrize("name", NEEDS)
def test_a_block_fails_alone(keeper, box, name, seen_anew):
    facts = show(box, OFFICES["two sources"])
    whole = page(keeper)
    for key in NEEDS[name]:
        box.facts = {it: value for it, value in facts.items() if it != key}
        html = page(keeper)
        assert UNREAD in words(block(html, name)), key
        for other in set(ROUND) - {name}:
            if key in (*NEEDS.get(other, ()), *ALSO.get(other, ())):
                continue
            assert UNREAD not in words(block(html, other)), (key, other)
            if key not in OF_TIME:
                assert words(block(html, other)) == words(block(whole, other)), (key, other)


ALSO = {"tasks": ("sources",), "disks": ("mirrors", "sources", "reminder"), "cloud": ("sources",)}
"""What other blocks read too; a block that lacks it may fail with it."""
OF_TIME = ("box",)
"""Without it the others tell the time in another zone."""


@pytest.mark.parametrize("key", sorted({key for keys in NEEDS.values() for key in keys}))
def test_garbage_never_takes_the_page_with_it(keeper, box, key, seen_anew):
    facts = show(box, OFFICES["waiting"])
    for garbage in GARBAGE:
        box.facts = facts | {key: garbage}
        html = page(keeper)
        assert UNREAD not in words(block(html, "days")), garbage
        assert keeper.get("/live", base_url=ORIGIN).status_code == 200


@pytest.mark.parametrize(
    "told", [None, 17, "x", [], [17], [{}], [{"date": "x", "state": "copied", "sentence": "x"}],
             [{"date": "2026-11-21", "state": "splendid", "sentence": "x"}],
             [{"date": "2026-11-21", "state": "copied", "sentence": None}]]
)  # fmt: skip
def test_days_that_cannot_be_read_leave_the_rest(keeper, box, told):
    show(box, OFFICES["safe"])
    box.days = lambda count: told
    html = page(keeper)
    assert UNREAD in words(block(html, "days"))
    assert words(html).count(UNREAD) == 1


def test_a_days_verb_that_fails_leaves_the_rest(keeper, box):
    show(box, OFFICES["safe"])

    def fails(count):
        raise ApplianceError("No.")

    box.days = fails
    assert words(page(keeper)).count(UNREAD) == 1


def test_F13_a_worker_that_is_away_is_never_green(keeper, box):
    def absent():
        raise WorkerAbsent("The worker is not running.")

    box.status = absent
    html = page(keeper)
    verdict = block(html, "verdict")
    assert 'class="verdict alarm"' in verdict
    assert "The box does not answer" in words(verdict)
    assert SIGNS[Reason.SILENT].todo in words(block(html, "tasks"))
    assert "Safe" not in words(html)
    assert "appliance daemon" not in words(html)


HOSTILE = '<img src=x onerror="alert(1)">{{701*703}}'


def test_E8_hostile_names_are_only_text(keeper, box):
    facts = show(box, OFFICES["waiting"])
    facts["sources"][0] |= {"source": HOSTILE, "sentence": HOSTILE, "todo": HOSTILE}
    facts["sources"][0] |= {"last_message": HOSTILE, "state": "look"}
    facts["disks"][0] |= {"name": HOSTILE, "problem": HOSTILE}
    facts["running"] |= {"job": HOSTILE}
    facts |= {"sentence": HOSTILE, "todo": HOSTILE, "waiting": [HOSTILE], "reminder": HOSTILE}
    facts |= {"box": {"name": HOSTILE, "timezone": "UTC", "release": HOSTILE}}
    box.told_days[0]["sentence"] = HOSTILE
    html = page(keeper)
    assert UNREAD not in html
    assert "<img" not in html
    assert html.count("onerror=&#34;") + html.count("onerror=\\&#34;") >= 10
    assert "492803" not in html


def test_a_message_without_an_end_does_not_push_everything_off_the_screen(keeper, box):
    facts = show(box, OFFICES["safe"])
    facts["sources"][0]["last_message"] = "very long " * 1000
    assert len(page(keeper)) < 25_000


# What is pressed


def press(keeper, path, live=False, **form):
    headers = {"X-Live": "1"} if live else {}
    return keeper.post(path, data=form, base_url=ORIGIN, headers=headers)


def test_one_press_backs_up_everything(keeper, box):
    show(box, OFFICES["two sources"])
    answer = press(keeper, "/back-up")
    assert (answer.status_code, answer.location) == (303, "/")
    assert box.asked == [("start", "crm", "page"), ("start", "site", "page")]
    said = words(page(keeper))
    assert "crm: asked for." in said
    assert "site: asked for." in said


def test_or_only_what_was_chosen(keeper, box):
    show(box, OFFICES["two sources"])
    press(keeper, "/back-up", source="site")
    assert box.asked == [("start", "site", "page")]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("already running", "crm is already running."),
        ("already waiting", "crm is already waiting its turn."),
    ],
)
def test_F8_a_second_press_is_told_so(keeper, box, answer, said):
    show(box, OFFICES["running"])
    box.start = lambda source, trigger: answer
    press(keeper, "/back-up")
    assert said in words(page(keeper))


def test_a_press_that_the_box_refuses_is_told_in_words(keeper, box):
    show(box, OFFICES["safe"])
    box.refuses = True
    press(keeper, "/back-up")
    assert "No." in words(page(keeper))


def test_a_press_while_the_box_does_not_answer_is_told_in_words(keeper, box):
    def absent(*_):
        raise WorkerAbsent("The worker is not running.")

    box.status = box.start = box.eject = box.cancel = absent
    for path in ("/back-up", "/cancel", "/let-go"):
        assert press(keeper, path, source="crm", job="crm", disk="a").status_code == 303
    assert "The worker is not running." in words(page(keeper))


def test_nothing_to_back_up_is_said(keeper, box):
    show(box, OFFICES["nothing is set up"])
    press(keeper, "/back-up")
    assert not box.asked
    assert "Nothing is set up to be backed up yet." in words(page(keeper))


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (True, "crm is being stopped. Every copy stays as it was."),
        (False, "crm was neither running nor waiting: there was nothing to stop."),
    ],
)
def test_cancel_says_what_became_of_it(keeper, box, there, said):
    show(box, OFFICES["running"])
    stopped = []
    box.cancel = lambda job: stopped.append(job) or there
    press(keeper, "/cancel", job="crm")
    assert stopped == ["crm"]
    assert said in words(page(keeper))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("released", "disk-a is let go. Unplug it as soon as this page says that it is safe."),
        ("finishing", "disk-a is let go once what runs is finished."),
    ],
)
def test_a_disk_is_let_go_and_that_is_written_down(keeper, box, answer, said):
    show(box, OFFICES["safe"])
    box.eject = lambda disk: box.asked.append(("eject", disk)) or answer
    press(keeper, "/let-go", disk="disk-a")
    assert box.asked[0] == ("eject", "disk-a")
    assert box.asked[1][:2] == ("note", "eject")
    assert said in words(page(keeper))


def test_whoever_may_only_look_may_press(app, box, visitor):
    from appliance.web.people import People
    from appliance.web.policy import Role

    people: People = app.extensions["people"]
    people.set_password(Role.LOOK, "only looking here")
    app.config["WTF_CSRF_ENABLED"] = False
    visitor.post("/sign-in", data={"password": "only looking here"}, base_url=ORIGIN)
    show(box, OFFICES["safe"])
    assert press(visitor, "/back-up").status_code == 303
    assert box.asked


def test_E6_a_press_without_its_token_does_nothing(app, keeper, box):
    show(box, OFFICES["safe"])
    app.config["WTF_CSRF_ENABLED"] = True
    for path in ("/back-up", "/cancel", "/let-go"):
        assert press(keeper, path, source="crm", job="crm", disk="disk-a").status_code == 400
    assert not box.asked
    for path in ("/back-up", "/cancel", "/let-go"):
        assert keeper.get(path, base_url=ORIGIN).status_code == 405


def test_a_press_answers_within_a_tenth_of_a_second(keeper, box):
    show(box, OFFICES["two sources"])
    took = []
    for live in (True, False) * 10:
        began = time.perf_counter()
        press(keeper, "/back-up", live=live)
        took.append(time.perf_counter() - began)
    print(f"press: median {sorted(took)[10] * 1000:.1f} ms")
    assert sorted(took)[10] < 0.1


# What moves


def test_the_blocks_are_sent_again_only_when_something_is_new(keeper, box, seen_anew):
    facts = show(box, OFFICES["running"])
    first = keeper.get("/live", base_url=ORIGIN)
    assert first.status_code == 200
    assert words(block(first.text, "work")) == words(block(page(keeper), "work"))
    known = {"seen": first.headers["X-Seen"]}
    assert keeper.get("/live", query_string=known, base_url=ORIGIN).status_code == 204
    facts["running"]["progress"]["done"] += 10**6
    news = keeper.get("/live", query_string=known, base_url=ORIGIN)
    assert news.status_code == 200
    assert "38.0 MB of 105.0 MB" in words(news.text)


def test_it_asks_each_second_while_something_runs_and_seldom_else(keeper, box, seen_anew):
    for name, seconds in (("running", "1"), ("waiting", "1"), ("safe", "5")):
        show(box, OFFICES[name])
        answer = keeper.get("/live", base_url=ORIGIN)
        assert answer.headers["X-Next"] == seconds
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_press_by_the_script_is_answered_in_place(keeper, box):
    show(box, OFFICES["safe"])
    answer = press(keeper, "/back-up", live=True)
    assert answer.status_code == 200
    assert "crm: asked for." in words(answer.text)
    assert 'id="said"' in answer.text
    assert "crm: asked for." not in words(page(keeper)), "and is not said twice"


def test_each_part_that_moves_has_a_name_and_none_lies_in_another(keeper, box):
    show(box, OFFICES["waiting"])
    html = page(keeper)
    tags = re.findall(r"<[^>]*\bdata-live>", html)
    names = [re.search(r' id="([^"]+)"', tag)[1] for tag in tags]
    assert len(set(names)) == len(names)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(set(ids)) == len(ids)
    for button in re.findall(r"<button[^>]*data-asked[^>]*>", html):
        assert ' id="' in button, "or the focus would be lost"


def test_without_a_script_the_page_looks_again_while_something_runs(keeper, box, seen_anew):
    show(box, OFFICES["running"])
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in page(keeper)
    show(box, OFFICES["safe"])
    assert "refresh" not in page(keeper)


def test_however_many_look_the_worker_is_asked_twice_a_second(box):
    show(box, OFFICES["safe"])
    asked, now = [], [100.0]
    tell = box.status
    box.status = lambda: asked.append(1) or tell()
    sight = Sight(box, lambda: now[0])
    for _ in range(50):
        sight.look()
    assert len(asked) == 1
    now[0] += 0.6
    sight.look()
    assert len(asked) == 2
    sight.forget()
    sight.look()
    assert len(asked) == 3


def test_however_many_look_it_is_drawn_twice_a_second(box):
    now, drawn = [1000.0], []

    def draw(seen):
        drawn.append(seen)
        return f"drawing {len(drawn)}"

    sight = Sight(box, lambda: now[0])
    for _ in range(50):
        assert sight.drawn(draw) == (drawn[0], "drawing 1")
    now[0] += 0.6
    assert sight.drawn(draw) == (drawn[1], "drawing 2")
    sight.forget()
    assert sight.drawn(draw)[1] == "drawing 3"


def test_the_days_are_read_again_when_a_run_ends(box):
    facts = show(box, OFFICES["safe"])
    asked, now = [], [100.0]
    tell = box.days
    box.days = lambda count: asked.append(count) or tell(count)
    sight = Sight(box, lambda: now[0])
    for _ in range(5):
        sight.look()
        now[0] += 1
    assert asked == [30]
    box.facts = facts | {"ended": {"job": "crm"}}
    sight.look()
    assert asked == [30, 30]


def test_an_office_of_the_real_engine_is_told_whole(keeper, box, tmp_path):
    from appliance.box import Box
    from appliance.config import load
    from appliance.worker import Engine
    from tests.system.office import Office as RealOffice

    office = RealOffice(tmp_path)
    office.inbox()
    office.disk()
    engine = Engine(Box(load(office.config)))
    box.status, box.days = engine.status, engine.days
    html = page(keeper)
    assert UNREAD not in words(html)
    assert "There is no good copy yet." in words(block(html, "verdict"))
    assert "Europe/Berlin" in words(block(html, "box"))
    engine.start("by-hand", Trigger.PAGE)
    assert engine.runner.work_one()
    html = press(keeper, "/back-up", live=True).text
    assert UNREAD not in words(html)
    assert "There was nothing to fetch." in words(block(html, "work"))


def test_an_overdue_copy_is_not_safe_whatever_ended_last(keeper, box):
    show(box, Office().copied(50 * HOUR))
    assert words(block(page(keeper), "verdict")).startswith("Getting old.")
