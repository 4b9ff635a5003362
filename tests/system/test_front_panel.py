"""Lamps and button: what is seen on the pins, whatever the worker says and a finger does."""

from __future__ import annotations

import contextlib
import signal
import socket as sockets
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from appliance import panel
from appliance.core.model import Trigger
from appliance.core.pins import read
from appliance.core.signals import SIGNS, Lamp
from appliance.front_panel import SHUT_SECONDS
from appliance.panel import Follower
from appliance.panel_map import Known
from appliance.system.socket import Client, WorkerAbsent
from tests.system import processes
from tests.system.office import contacts, put
from tests.system.panel_bench import TABLE, Bench


@pytest.fixture
def bench():
    made = Bench()
    made.wait(2)  # the lamp test
    yield made
    made.front.close()


def flashes_of_one_round(bench, news=True):
    """How often PLEASE LOOK flashes between two long pauses."""
    seen = bench.wait(20, news=news)
    rises, count, counts = [], 0, []
    for (_, before), (at, after) in pairwise(seen):
        if after[Lamp.ATTENTION] and not before[Lamp.ATTENTION]:
            if rises and at - rises[-1] > 1.5:
                counts.append(count)
                count = 0
            rises.append(at)
            count += 1
    return counts[1] if len(counts) > 1 else 0


# --- what is seen --------------------------------------------------------------------------------


def test_all_is_well_is_two_steady_lamps_with_a_heartbeat(bench):
    found = bench.seen(30)
    assert found[Lamp.OFFICE][1] > 0.98
    assert found[Lamp.CLOUD][1] > 0.98
    assert found[Lamp.OFFICE][0] == 3
    assert found[Lamp.ATTENTION] == (0, 0)


def test_a_run_blinks_the_office_lamp_and_sending_the_cloud_lamp(bench):
    bench.news(running={"job": "crm", "started": "", "progress": {"step": "archive"}})
    found = bench.seen(20)
    assert found[Lamp.OFFICE][0] in (9, 10, 11)
    assert found[Lamp.CLOUD][1] > 0.98
    bench.news(running={"job": "mirror:cloud", "started": "", "progress": None})
    found = bench.seen(20)
    assert found[Lamp.CLOUD][0] in (9, 10, 11)
    assert found[Lamp.OFFICE][1] > 0.98


@pytest.mark.parametrize("reason", ["disk", "export", "held", "cloud", "full", "power", "fault"])
def test_the_flashes_of_each_code_can_be_counted_on_the_pin(bench, reason):
    bench.news(state="look", reasons=[reason])
    bench.wait(1)
    assert flashes_of_one_round(bench) == SIGNS[reason].pattern.flashes


def test_damage_blinks_fast_and_age_slowly(bench):
    bench.news(state="look", reasons=["damaged"])
    assert bench.seen(10)[Lamp.ATTENTION][0] in (19, 20, 21)
    bench.news(state="getting old", reasons=["old"])
    assert bench.seen(10)[Lamp.ATTENTION][0] in (4, 5, 6)


def test_the_lamps_are_tested_at_the_start():
    bench = Bench()
    bench.front.draw()
    assert all(bench.levels().values())
    bench.wait(1.6, news=False)
    assert not any(bench.levels().values())


def test_at_night_two_lamps_are_dim_and_PLEASE_LOOK_is_not():
    bench = Bench(night="00:00-12:00")
    bench.wait(3)
    bench.news(reasons=["damaged"], state="look")
    bright = []
    for _ in range(40):
        bench.wait(0.1)
        bright.append(bench.pin(24).state)
    assert max(bright) == 1.0
    assert bench.pin(22).state == pytest.approx(0.1)
    bench.front.close()


def test_while_nothing_happens_the_panel_wakes_up_less_than_once_a_second(bench):
    bench.front.heard(bench.worker.status())
    bench.wake_ups = 0
    bench.wait(50, news=False)
    assert bench.wake_ups <= 20


# --- never green by silence ----------------------------------------------------------------------


def dark_and_asking(bench):
    """Both copies dark, seven flashes."""
    levels = [levels for _, levels in bench.wait(10, news=False)]
    dark = not any(each[Lamp.OFFICE] or each[Lamp.CLOUD] for each in levels)
    return dark and flashes_of_one_round(bench, news=False) == 7


def test_D17_no_news_for_a_minute_is_dark_and_asks_to_look(bench):
    bench.front.heard(bench.worker.status())
    bench.wait(54, news=False)
    assert bench.levels()[Lamp.OFFICE]
    bench.wait(2, news=False)
    assert not bench.levels()[Lamp.OFFICE]
    assert dark_and_asking(bench)


def test_D17_a_worker_that_says_the_same_again_and_again_is_not_believed(bench):
    stale = bench.worker.status()
    for _ in range(58):
        bench.wait(1, news=False)
        bench.front.heard(stale)
    assert dark_and_asking(bench)


def test_D17_safe_that_has_run_out_is_a_lie(bench):
    over = (bench.clock.time + timedelta(seconds=30)).isoformat()
    bench.news(good_until=over)
    bench.wait(20)
    assert bench.levels()[Lamp.OFFICE]
    bench.wait(21)
    assert not bench.levels()[Lamp.OFFICE]
    assert flashes_of_one_round(bench) == 7


def test_D17_a_loop_that_stands_still_is_not_believed(bench):
    bench.news(alive_seconds=70)
    assert not bench.wait(1)[-1][1][Lamp.OFFICE]


def test_a_worker_that_comes_back_is_believed_at_once(bench):
    bench.wait(70, news=False)
    assert not bench.levels()[Lamp.OFFICE]
    bench.news()
    bench.wait(0.1)
    assert bench.levels()[Lamp.OFFICE]


def test_at_the_start_nothing_is_claimed_and_after_a_minute_it_asks_to_look():
    bench = Bench()
    bench.wait(2, news=False)
    assert not any(any(levels.values()) for _, levels in bench.wait(50, news=False))
    bench.wait(5, news=False)
    assert dark_and_asking(bench)
    bench.front.close()


@contextlib.contextmanager
def worker_process(path):
    """A worker in a process of its own, that can be killed and frozen."""
    argv = [sys.executable, "-m", "tests.system.worker", str(path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_D17_a_worker_that_is_killed_or_frozen_turns_the_lamps_within_a_minute(
    tmp_path, bench, number
):
    path, stop = tmp_path / "worker.sock", threading.Event()
    bench.front._worker = Client(path)
    follower = Follower(bench.front, stop)
    with worker_process(path) as process:
        follower.follow_once()
        bench.wait(1, news=False)
        # The stub's clock is the machine's, ours is not: what it says is good for is far ahead.
        assert bench.front._belief.status(bench.clock.seconds) is not None
        process.send_signal(number)
        thread = threading.Thread(target=follower.run, daemon=True)
        thread.start()
        bench.wait(58, news=False)
        assert dark_and_asking(bench)
        stop.set()
    thread.join(30)
    assert not thread.is_alive()


def is_done(status):
    return status["copies"]["office"] == "fresh" and status["running"] is None


def triggers(office):
    return [run["trigger"] for run in office.json("history", "by-hand")]


@pytest.mark.slow
def test_D17_a_tap_backs_up_with_the_real_worker_whose_death_is_then_seen(office, bench):
    folder = office.inbox()
    office.disk()
    put(folder, "a.csv", contacts(50))
    client = Client(office.state / "worker.sock")
    bench.clock.time = datetime.now(UTC)
    bench.front._worker = client
    follower = Follower(bench.front, threading.Event())
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with office.started("daemon", env=processes.marked(office.folder), **pipes) as daemon:
        assert processes.until(client.is_there, 60)
        follower.follow_once()
        assert processes.until(lambda: is_done(client.status()), 60)
        bench.hold(0.2, news=False)
        assert processes.until(lambda: "button" in triggers(office), 60)
        assert processes.until(lambda: is_done(client.status()), 60)
        bench.front.heard(client.status())
        bench.wait(0.1, news=False)
        # Where nobody sets this machine's clock, the box does not call anything fresh.
        trusted = client.status()["clock_trusted"]
        assert bench.levels()[Lamp.OFFICE] is trusted
        if not trusted:
            assert flashes_of_one_round(bench, news=False) == SIGNS["clock"].pattern.flashes
        daemon.kill()
        daemon.wait(10)
        assert follower.follow_once() == panel.RETRY_SECONDS
        bench.wait(58, news=False)
        assert dark_and_asking(bench)
    assert processes.left_over(office.folder) == {}


def test_a_worker_that_answers_nonsense_is_no_worker(tmp_path):
    path = tmp_path / "worker.sock"

    def serve():
        for line in (b"hello\n", b"7\n", b'{"answer": [1]}\n', b"{}\n", b"\xff\n"):
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(line)

    with sockets.socket(sockets.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        for _ in range(5):
            with pytest.raises(WorkerAbsent):
                Client(path).follow(1, 0)
        thread.join(10)


# --- the finger ----------------------------------------------------------------------------------


def test_a_press_is_acknowledged_in_the_very_call_that_brings_it(bench):
    before = bench.levels()
    bench.press()
    assert bench.levels() == {lamp: not lit for lamp, lit in before.items()}
    bench.wait(0.16)
    assert bench.levels() == before


def test_a_tap_backs_up_every_source(bench):
    bench.news(sources=[{"source": "crm"}, {"source": "site"}])
    bench.hold(0.2)
    assert bench.worker.asked == [
        ("start", "crm", Trigger.BUTTON),
        ("start", "site", Trigger.BUTTON),
    ]


def test_a_tap_without_a_disk_starts_nothing_and_shows_again_what_is_wrong(bench):
    bench.news(disks=[{"name": "disk-a", "present": False}], state="look", reasons=["export"])
    bench.hold(0.2)
    assert bench.worker.asked == []
    seen = bench.wait(2.2)
    rises = sum(b[Lamp.ATTENTION] and not a[Lamp.ATTENTION] for (_, a), (_, b) in pairwise(seen))
    assert rises == 2


def test_a_tap_where_only_the_disk_is_away_says_so_once(bench):
    bench.news(disks=[{"name": "disk-a", "present": False}])
    bench.hold(0.2)
    assert bench.worker.asked == []
    assert bench.seen(8)[Lamp.ATTENTION][0] == 1


def test_a_tap_that_the_worker_refuses_is_not_silent(bench):
    bench.worker.refuses = True
    bench.hold(0.2)
    assert bench.seen(8)[Lamp.ATTENTION][0] == 7


def test_a_hold_counts_the_seconds_and_asks_for_the_disks_only_when_it_ends(bench):
    bench.press()
    seen = bench.wait(4.5)
    assert bench.worker.asked == []
    office = [(at, levels[Lamp.OFFICE]) for at, levels in seen if at > bench.clock.seconds - 3.6]
    rises = sum(b and not a for (_, a), (_, b) in pairwise(office))
    assert rises == 4
    bench.release()
    bench.wait(0.2)
    bench.errands()
    assert bench.worker.asked == [("eject", None)]


def winks(seen):
    """Lengths of the times in which OFFICE COPY was lit."""
    edges = [
        (at, levels[Lamp.OFFICE])
        for (_, before), (at, levels) in pairwise(seen)
        if levels[Lamp.OFFICE] is not before[Lamp.OFFICE]
    ]
    return [round(end - begin, 1) for (begin, lit), (end, _) in pairwise(edges) if lit]


def test_D19_two_long_winks_come_when_the_disk_is_at_rest_and_not_when_it_was_asked_for(bench):
    disk = {"name": "disk-a", "present": True}
    bench.hold(4)
    assert bench.worker.asked == [("eject", None)]
    bench.news(disks=[disk | {"in_use": True, "at_rest": False}], ejected=False)
    assert bench.seen(10)[Lamp.OFFICE][0] in (4, 5, 6)  # at work, and no two long winks
    bench.news(disks=[disk | {"in_use": False, "at_rest": False}], ejected=True)
    assert bench.seen(10)[Lamp.OFFICE][0] in (4, 5, 6)  # still working
    bench.news(disks=[disk | {"in_use": False, "at_rest": True}], ejected=True)
    seen = bench.wait(5)
    assert [each for each in winks(seen) if each > 0.5][-2:] == [0.9, 0.9]
    assert not any(levels[Lamp.OFFICE] for _, levels in bench.wait(30))
    assert not bench.levels()[Lamp.ATTENTION]


def test_D19_a_worker_that_dies_between_the_steps_never_lets_go(bench):
    bench.hold(4)
    disk = {"name": "disk-a", "present": True, "in_use": False, "at_rest": False}
    bench.news(disks=[disk], ejected=True)
    bench.wait(60, news=False)
    assert dark_and_asking(bench)
    assert winks(bench.wait(20, news=False)) == []


def test_a_hold_when_the_disk_is_released_already_says_so_again(bench):
    bench.news(ejected=True)
    bench.wait(10)
    assert [each for each in winks(bench.hold(4) + bench.wait(5)) if each > 0.5] == [0.9, 0.9]
    assert bench.worker.asked == []


def test_D16_a_box_that_leans_on_its_button_says_so_and_does_nothing(bench):
    bench.press()
    bench.wait(31)
    assert flashes_of_one_round(bench) == 7
    bench.release()
    bench.wait(1)
    bench.errands()
    assert bench.seen()[Lamp.ATTENTION] == (0, 0)
    assert bench.worker.asked == []


def test_D16_bounce_on_the_pin_is_one_tap(bench):
    for _ in range(5):
        bench.press()
        bench.clock.forward(timedelta(milliseconds=2))
        bench.release()
        bench.clock.forward(timedelta(milliseconds=2))
    bench.hold(0.2)
    assert len(bench.worker.asked) == 1


def test_D16_a_button_held_while_the_panel_starts_does_nothing():
    bench = Bench()
    bench.wait(1)
    bench.press()
    bench.front._open()  # as a restart does
    bench.factories[-1].pin(17).drive_low()
    made = bench.front._gestures
    assert made.is_down
    bench.front.close()


def test_the_page_asks_and_only_a_hold_of_five_seconds_confirms(bench):
    bench.news(pairing={"question": "Erase the SanDisk?"})
    bench.wait(2)
    bench.hold(0.2)
    bench.hold(4)
    assert bench.confirmed == []
    assert bench.worker.asked == []
    bench.hold(6)
    assert bench.confirmed == [True]


def test_a_question_that_is_no_longer_believed_cannot_be_confirmed(bench):
    bench.news(pairing={"question": "Erase the SanDisk?"})
    bench.wait(52, news=False)
    assert bench.front._question(bench.clock.seconds)
    bench.hold(6, news=False)
    assert bench.confirmed == []


def test_a_question_is_seen_on_all_lamps_together_until_it_is_over(bench):
    bench.news(pairing={"question": "Erase the SanDisk?"})
    seen = bench.wait(30)
    assert all(len(set(levels.values())) == 1 for _, levels in seen)
    rises = sum(b[Lamp.OFFICE] and not a[Lamp.OFFICE] for (_, a), (_, b) in pairwise(seen))
    assert rises in (19, 20, 21)
    bench.news(pairing=None)
    assert bench.seen(20)[Lamp.OFFICE][1] > 0.98


@pytest.mark.parametrize("seen_for", [0.0, 0.5])
def test_a_hold_that_began_before_the_question_could_be_seen_is_no_answer(bench, seen_for):
    """Somebody may be about to let a disk go when the question comes."""
    bench.news(pairing={"question": "Erase the SanDisk?"})
    if seen_for:
        bench.wait(seen_for, news=False)
    bench.hold(6)
    assert bench.confirmed == []
    assert bench.worker.asked == []
    bench.wait(60)
    bench.hold(6)
    assert bench.confirmed == [True]


def test_nothing_lies_over_a_question_that_begins(bench):
    bench.news(ejected=True)
    bench.wait(0.1)
    bench.news(ejected=True, pairing={"question": "Erase the SanDisk?"})
    assert all(len(set(levels.values())) == 1 for _, levels in bench.wait(10))
    bench.news(ejected=True, pairing=None)
    assert winks(bench.wait(10)) == []


def test_the_buzzer_says_when_it_gets_worse_and_keeps_still_at_night():
    for quiet, heard in ((None, True), ("00:00-12:00", False)):
        bench = Bench(buzzer=25, **({"quiet": quiet} if quiet else {}))
        bench.wait(3)
        bench.sounds.clear()
        bench.news(state="look", reasons=["cloud"])
        bench.wait(10)
        assert any(bench.sounds) is heard
        bench.sounds.clear()
        bench.wait(20)
        assert not any(bench.sounds)
        bench.front.close()


# --- pins that come, go and change ---------------------------------------------------------------


def test_other_pins_are_taken_over_and_the_old_ones_let_go(bench):
    moved = {"button": 5, "led_office": 6, "led_cloud": 13, "led_attention": 19}
    old = bench.factories[-1]
    bench.front.use(Known(read(moved), ZoneInfo("UTC"), Path("/nowhere")))
    bench.front.draw()
    assert bench.factories[-1] is not old
    assert [bench.pin(number).function for number in (6, 13, 19)] == ["output"] * 3
    assert old.pins == {}


def test_pins_that_are_not_there_are_tried_again_and_said_once(caplog):
    bench = Bench()
    bench.front.close()
    bench.has_pins = False
    bench.front._open()
    for _ in range(20):
        bench.clock.forward(timedelta(seconds=10))
        assert bench.front.draw() <= 10
    assert caplog.text.count("has no pins") == 1
    bench.has_pins = True
    bench.clock.forward(timedelta(seconds=61))
    bench.news()
    bench.front.draw()
    bench.wait(3)
    assert bench.levels()[Lamp.OFFICE]


def test_pins_that_are_held_for_a_moment_are_taken_when_they_are_free():
    bench = Bench()
    bench.front.close()
    bench.are_held = True
    bench.front._open()
    for _ in range(5):
        assert bench.front.draw() <= 5
        bench.clock.forward(timedelta(seconds=5))
    bench.are_held = False
    bench.news()
    bench.front.draw()
    bench.wait(3)
    assert bench.levels()[Lamp.OFFICE]
    bench.front.close()


def test_pins_that_stay_shut_end_the_panel_so_that_the_last_resort_comes():
    bench = Bench()
    bench.front.close()
    bench.are_held = True
    bench.front._open()
    begun = bench.clock.seconds
    with pytest.raises(panel.ApplianceError, match="GPIO busy"):
        bench.wait_in_the_dark(100)
    assert bench.clock.seconds - begun == pytest.approx(SHUT_SECONDS, abs=1)


def test_a_change_of_pins_while_the_button_is_pressed_locks_nobody_out(bench):
    """The old button's thread may be in the middle of telling us."""
    done = threading.Event()

    def presses():
        for _ in range(200):
            bench.front.pressed()
            bench.front.released()
        done.set()

    thread = threading.Thread(target=presses, daemon=True)
    thread.start()
    for number in range(20):
        table = TABLE | {"buzzer": 5 + number % 2}
        bench.front.use(Known(read(table), ZoneInfo("UTC"), Path("/nowhere")))
        bench.front.draw()
    assert done.wait(30)
    thread.join(10)


# --- what the worker is told ----------------------------------------------------------------------


def test_D15_the_worker_is_told_how_the_panel_is(bench):
    assert bench.front.says() == {"why_not": "", "stuck": False}
    bench.press()
    bench.wait(200)
    assert bench.front.says() == {"why_not": "", "stuck": True}
    bench.release()
    bench.are_held = True
    bench.front.use(replace(bench.known, pins=read(TABLE | {"button": 27})))
    assert "GPIO busy" in bench.front.says()["why_not"]
    Follower(bench.front, threading.Event()).follow_once()
    assert bench.worker.panel == bench.front.says()
