"""Settings on the page: shown in plain words, tried, looked at, saved; nothing typed is lost."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from appliance.config import load
from appliance.core.errors import ApplianceError, DiskFull
from appliance.system.socket import WorkerAbsent
from appliance.web import create_app, when
from appliance.web.people import People
from appliance.web.policy import Role
from tests.messaging.servers import hook
from tests.test_desk import CANARY, IMAGE, Room
from tests.web.conftest import ORIGIN, PASSWORD
from tests.web.people import LOOKERS

HOSTILE = '"><script>alert(1)</script>'
FORBIDDEN = re.compile(r"\b(repositor|archive|prune|chunk|borg|mirror|drill)", re.IGNORECASE)


@pytest.fixture
def room(tmp_path):
    (folder := tmp_path / "room").mkdir()
    return Room(folder, (IMAGE / "appliance.toml").read_text())


@pytest.fixture
def office(room, tmp_path):
    """Somebody who may change things, on the page of a real worker."""
    people = People(tmp_path)
    people.set_password(Role.CHANGE, PASSWORD)
    app = create_app(room.engine, people)
    app.config["WTF_CSRF_ENABLED"] = False
    return Desk(app.test_client())


class Desk:
    """A browser without JavaScript: it fills in forms as they stand and presses buttons."""

    def __init__(self, client):
        self.client = client
        client.post("/sign-in", data={"password": PASSWORD}, base_url=ORIGIN)
        self.form = {}
        self.status = 0

    def get(self, path):
        return self._took(path, self.client.get(f"/settings{path}", base_url=ORIGIN))

    def press(self, do, **changes):
        """Press a button of the form that is shown, with these fields filled in otherwise."""
        data = {**self.form, **{key.replace("__", "."): v for key, v in changes.items()}, "do": do}
        data = {key: value for key, value in data.items() if value is not None}
        answer = self.client.post(f"/settings{self.path}", data=data, base_url=ORIGIN)
        return self._took(self.path, answer)

    def _took(self, path, answer):
        self.path, self.status, self.location = path, answer.status_code, answer.location
        self.page = html.unescape(answer.text)
        self.form = fields_of(answer.text)
        return self.page


def fields_of(text):
    """What a browser would send of a form, as it stands."""
    found = {}
    for tag in re.findall(r"<input [^>]*>", text):
        said = {key: html.unescape(value) for key, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        if said.get("type") in ("radio", "checkbox") and not re.search(r"\bchecked\b", tag):
            continue
        found[said["name"]] = said.get("value", "")
    for name, inner in re.findall(
        r'<textarea [^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', text, re.DOTALL
    ):
        found[name] = html.unescape(inner)
    for name, inner in re.findall(
        r'<select [^>]*name="([^"]*)"[^>]*>(.*?)</select>', text, re.DOTALL
    ):
        chosen = re.search(r'value="([^"]*)" selected', inner) or re.search(
            r'value="([^"]*)"', inner
        )
        found[name] = html.unescape(chosen[1]) if chosen else ""
    return found


def text_of(page):
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_every_section_is_told_in_plain_words(office):
    page = office.get("/")
    for words in (
        "Front office, Europe/Berlin",
        "Kept: the 7 newest, then one a day for 30 days, one a week for 12 weeks, one a month for",
        "A folder on a server (SFTP), every day at 03:00",
        "every hour",
        "Of disk-a, after each backup",
        "Reminder every Friday at 16:00. A disk may be away for 14d.",
        "A word that all is well every Monday at 08:00; quiet from 22:00 to 07:00.",
    ):
        assert words in page
    assert re.search(r"Lamp OFFICE COPY</th><td>22</td><td>15</td>", page)
    assert FORBIDDEN.findall(text_of(page)) == []


PAGES = ["/", "/appliance", "/retention", "/disks", "/messages", "/messages/1/remove",
         "/source/new", "/source/new/sftp",
         "/source/new/http", "/source/new/carddav", "/source/new/inbox", "/mirror/new",
         "/source/crm-nightly",
         "/source/site-export", "/source/by-hand", "/mirror/cloud",
         "/source/by-hand/remove", "/mirror/cloud/remove", "/data-protection"]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_each_page_speaks_plainly_and_labels_every_field(office, path):
    page = office.get(path)
    assert office.status == 200
    assert FORBIDDEN.findall(text_of(page)) == []
    labelled = set(re.findall(r'<label for="([^"]*)"', page))
    named = re.findall(r'<(?:input|select|textarea) id="([^"]*)"', page)
    assert set(named) == labelled
    assert len(named) == len(set(named))
    assert "page-" not in page
    assert "${secret" not in page


def test_a_form_that_is_sent_as_it_stands_changes_nothing(office, room):
    before = room.file.read_text()
    for path in ("/appliance", "/retention", "/disks", "/messages", "/source/crm-nightly",
                 "/source/site-export", "/source/by-hand", "/mirror/cloud"):  # fmt: skip
        office.get(path)
        office.press("look")
        assert (office.status, office.location) == (302, "/settings/"), path
    assert room.file.read_text() == before


def test_a_change_is_shown_confirmed_saved_and_written_down(office, room):
    office.get("/appliance")
    office.press("look", name="Shop & Sons")
    assert "Name of the box : Front office → becomes Shop & Sons" in text_of(office.page)
    assert load(room.file).appliance.name == "Front office", "not yet"
    office.press("save")
    assert (office.status, office.location) == (302, "/settings/")
    assert "in use now" in office.get("/")
    assert load(room.file).appliance.name == "Shop & Sons"
    (run,) = room.box.ledger.runs("page:settings")
    assert "Name of the box Shop & Sons" in run.message


def test_whoever_goes_back_finds_what_was_typed(office):
    office.get("/appliance")
    office.press("look", name="Shop")
    assert 'value="Shop"' in office.press("back")


def test_bad_input_comes_back_with_its_problem_beside_the_field(office, room):
    office.get("/source/crm-nightly")
    page = office.press("look", port="seventy", host="new.example.org", user=HOSTILE)
    assert office.status == 422
    assert re.search(r'name="port"[^>]*value="seventy"[^>]*aria-invalid="true"', page)
    assert 'id="problem-port"' in page
    assert office.form["host"] == "new.example.org"
    assert office.form["user"] == HOSTILE
    assert load(room.file).source_named("crm-nightly").port == 22


def test_E8_hostile_names_and_values_run_no_script(office, room):
    room.file.write_text(room.file.read_text().replace('"exports"', "'" + HOSTILE + "'"))
    office.get("/source/crm-nightly")
    answer = office.client.get("/settings/source/crm-nightly", base_url=ORIGIN).text
    assert "<script>alert" not in answer
    office.press("look", name=HOSTILE, host=HOSTILE)
    assert (
        "&lt;script&gt;"
        in office.client.post(
            "/settings/source/crm-nightly", data={**office.form, "do": "look"}, base_url=ORIGIN
        ).text
        or office.status == 422
    )


def test_E13_a_secret_goes_to_the_worker_and_never_comes_back(office, room, caplog):
    office.get("/source/new/sftp")
    seen = [office.press("look", name="shop", host="h.example.org", user="u", password=CANARY)]
    assert "Password</strong> is stored" in seen[0]
    mark = office.form["kept:password"]
    assert re.fullmatch("[0-9a-f]{32}", mark)
    seen.append(office.press("back"))
    assert "Kept; type to replace it" in seen[1]
    assert office.form["kept:password"] == mark
    assert office.form["password"] == ""
    office.press("look")
    seen += [office.press("save"), office.get("/"), office.get("/source/shop")]
    assert CANARY not in "".join(seen) + caplog.text
    source = load(room.file).source_named("shop")
    assert room.box.secrets.get(source.password) == CANARY
    (run,) = room.box.ledger.runs("page:settings")
    assert CANARY not in repr(run)
    assert "Source shop added" in run.message
    assert CANARY.encode() not in room.everything()


def test_a_bad_form_keeps_the_secret_that_was_typed_with_it(office):
    office.get("/source/new/sftp")
    office.press("look", name="Shop!", host="h", user="u", password=CANARY)
    assert "is not a name" in office.page
    office.press("look", name="shop")
    assert "Password</strong> is stored" in office.page


def test_a_secret_can_be_forgotten(office, room):
    office.get("/source/crm-nightly")
    office.press("look", password="another", **{"forget:key_passphrase": "1"})
    assert "Passphrase of the key</strong> is forgotten" in office.page
    office.press("save")
    assert load(room.file).source_named("crm-nightly").key_passphrase is None


def test_somebody_else_s_change_meanwhile_is_told_and_both_are_saved(office, room):
    office.get("/appliance")
    office.press("look", name="Shop")
    room.saved("retention", "", {"daily": "77"})
    page = office.press("save")
    assert office.status == 409
    assert "Somebody changed the settings meanwhile" in page
    office.press("save")
    settings = load(room.file)
    assert (settings.appliance.name, settings.retention.daily) == ("Shop", 77)


def test_a_full_card_is_a_sentence_and_the_form_comes_back(office, room, monkeypatch):
    office.get("/appliance")
    office.press("look", name="Shop")

    def full(*_):
        raise DiskFull("There is no room left to write the settings.")

    monkeypatch.setattr(room.engine, "change_settings", full)
    page = office.press("save")
    assert office.status == 422
    assert "no room left" in page
    assert 'value="Shop"' in page


def test_a_worker_that_goes_away_loses_nothing_that_was_typed(office, room, monkeypatch):
    office.get("/source/new/sftp")

    def away(*_):
        raise WorkerAbsent("The worker is not running.")

    for verb in ("settings", "preview_settings", "put_secret"):
        monkeypatch.setattr(room.engine, verb, away)
    page = office.press("look", name="shop", host="h.example.org", user="u", password=CANARY)
    assert office.status == 503
    assert "The worker is not running" in page
    assert office.form["host"] == "h.example.org"
    assert CANARY not in page
    office.get("/")
    assert (office.status, "cannot be shown now" in office.page) == (503, True)


def test_a_broken_file_is_told_with_all_its_problems(office, room):
    room.file.write_text(room.file.read_text().replace("port = 22", "port = 70000").replace(
        '"14d"', '"soon"'))  # fmt: skip
    room.engine.reload_if_changed()
    page = office.get("/")
    assert "The settings from before are in use" in page
    assert "source.crm-nightly.port" in page
    assert "disks.grace" in page


def test_a_new_schedule_is_told_with_its_next_three_times(office, room):
    office.get("/source/by-hand")
    page = office.press("look", schedule__mode="weekly", schedule__weekly__day="mon",
                        schedule__weekly__at="07:30")  # fmt: skip
    assert "becomes every Monday at 07:30" in page
    assert len(re.findall(r"Mon \d+ \w{3}(?: \d{4})? 07:30", page)) == 3
    office.press("save")
    assert load(room.file).source_named("by-hand").schedule == "weekly on mon at 07:30"


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("daily at 03:00", "daily"),
        ("weekdays at 19:00", "weekdays"),
        ("weekly on mon at 07:30", "weekly"),
        ("monthly on 31 at 03:00", "monthly"),
        ("every 6 h", "every"),
        ("every 5 min", "every"),
        ("after backup", "after"),
        ("", "never"),
        ("weekly on mon,thu at 03:00", "text"),
        ("0 3 * * *", "text"),
    ],
)
def test_a_schedule_comes_back_from_the_form_as_it_was(text, mode):
    parts = when.taken_apart(text)
    assert parts["mode"] == mode
    form = {"s.mode": mode, "s.text": parts["text"]}
    for one in ("daily", "weekdays", "weekly", "monthly", "every"):
        form |= {f"s.{one}.{key}": value for key, value in parts.items()}
    assert when.put_together(form, "s") == text


def test_next_times_follow_the_office_s_clock_over_its_changes():
    now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    times = when.next_times("daily at 02:30", ZoneInfo("Europe/Berlin"), now)
    assert times == ["Sun 29 Mar 03:00", "Mon 30 Mar 02:30", "Tue 31 Mar 02:30"]
    assert when.next_times("nightly", ZoneInfo("UTC"), now) == []
    assert when.next_times("after backup", ZoneInfo("UTC"), now) == []


def test_retention_shows_what_would_be_kept_before_it_is_saved(office):
    assert "after a year of nightly backups about" in office.get("/retention")
    page = office.press("look", daily="3", weekly="0")
    assert "What would be kept" in page
    assert "crm-nightly: 0 backups today" in page


def test_an_end_says_by_when_something_is_gone_for_sure(office, room):
    page = office.get("/retention")
    assert "crm-nightly: There is no fixed date" in page
    assert "The cloud copy cloud keeps it 90 days longer than its disk." in page
    page = office.press("look", at_most="400d")
    assert "No backup gets older than nothing → becomes 400d" in text_of(page).replace(" :", "")
    assert "crm-nightly: What is deleted in the CRM today is gone for sure by" in page
    assert "A disk that is away that day still has it" in page
    assert "The newest good backup always stays" in page
    office.press("save")
    assert load(room.file).retention.at_most == timedelta(days=400)
    assert "none gets older than 400d." in office.get("/")


def test_an_end_that_is_none_is_said_beside_its_field(office, room):
    office.get("/retention")
    page = office.press("look", at_most="a year")
    assert office.status == 422
    assert '"a year" is not a time span' in page
    office.press("look", at_most="1h")
    assert office.status == 422


def test_the_data_protection_sheet_is_for_those_who_may_change(browse, visitor):
    looker, keeper = browse(), browse("192.168.1.8")
    looker.sign_in(LOOKERS)
    keeper.sign_in()
    path = "/settings/data-protection"
    assert visitor.get(path, base_url=ORIGIN).location == "/sign-in"
    assert looker.get(path).status_code == 403
    page = keeper.get(path)
    assert page.status_code == 200
    assert "<code>appliance find NAME</code>" in page.text
    assert 'href="/settings/data-protection"' in keeper.get("/settings/").text


def test_a_worker_that_is_away_gives_no_sheet(keeper, box, monkeypatch):
    def nobody():
        raise WorkerAbsent("The worker is not running.")

    monkeypatch.setattr(box, "data_protection", nobody)
    assert keeper.get("/settings/data-protection", base_url=ORIGIN).status_code == 503


def test_removing_a_source_says_that_its_backups_stay(office, room):
    assert "All its backups are kept" in office.get("/source/by-hand/remove")
    office.press("")
    assert (office.status, office.location) == (302, "/settings/")
    assert "by-hand" not in [each.name for each in load(room.file).source]
    (run,) = room.box.ledger.runs("page:settings")
    assert "its backups are kept" in run.message
    office.get("/source/by-hand")
    assert office.status == 404


ADDRESS = f"mailtos://box:{CANARY}@smtp.example/?to=boss@shop.example"


def test_an_address_for_messages_is_added_and_never_shown_again(office, room, caplog):
    office.get("/messages")
    seen = [office.press("look", address=ADDRESS)]
    assert "One more address</strong> is stored" in seen[0]
    seen += [office.press("save"), office.get("/"), office.get("/messages")]
    assert "mail to b…s@shop.example" in seen[2]
    assert "page-" not in "".join(seen)
    assert CANARY not in "".join(seen) + caplog.text
    assert "boss@shop.example" not in seen[2]
    assert room.box.secrets.get(load(room.file).messages.to[-1]) == ADDRESS
    (run,) = room.box.ledger.runs("page:settings")
    assert "Messages changed: One more address is stored" in run.message
    assert CANARY.encode() not in room.everything()


def test_what_is_no_address_is_said_beside_its_field(office):
    office.get("/messages")
    page = office.press("look", address=f"file://host/{CANARY}")
    assert office.status == 422
    assert "no service that messages can go to" in page
    assert CANARY not in page


def test_the_weekly_word_is_switched_off_and_on_and_the_quiet_hours_are_set(office, room):
    office.get("/messages")
    office.press("look", **{"weekly.mode": "never", "quiet": "21:00-06:00"})
    assert "becomes never" in text_of(office.page)
    office.press("save")
    assert load(room.file).messages.weekly == ""
    assert "No weekly word; quiet from 21:00 to 06:00." in office.get("/")
    office.get("/messages")
    office.press("look")
    assert office.location == "/settings/"  # as it stands it changes nothing
    office.get("/messages")
    office.press("look", **{"weekly.mode": "weekly", "weekly.weekly.at": "09:00"})
    office.press("save")
    assert load(room.file).messages.weekly == "weekly on mon at 09:00"


def test_an_address_is_removed(office, room):
    room.box.secrets.put("phone", "ntfys://ntfy.sh/topic")
    assert "Remove ntfy to ntfy.sh?" in office.get("/messages/2/remove")
    office.press("")
    assert (office.status, office.location) == (302, "/settings/")
    assert load(room.file).messages.to == ("mail",)
    for path in ("/messages/2/remove", "/messages/0/remove"):
        office.get(path)
        assert office.status == 404


def test_the_second_address_is_not_removed_in_the_place_of_another_that_got_its_number(
    office, room
):
    office.get("/messages/1/remove")
    room.file.write_text(room.file.read_text().replace('"${secret:mail}", ', ""))
    page = office.press("")
    assert office.status == 422
    assert "changed the settings meanwhile" in page
    assert load(room.file).messages.to == ("phone",)


def test_an_address_is_removed_of_the_file_in_which_it_had_its_number(office, room, monkeypatch):
    real = room.engine.settings

    def settings():
        told = real()
        if told["stamp"] == before:  # somebody writes it just now
            room.file.write_text(room.file.read_text() + "\n")
        return told

    before = real()["stamp"]

    monkeypatch.setattr(room.engine, "settings", settings)
    office.get("/messages/1/remove")
    monkeypatch.undo()
    assert "changed the settings meanwhile" in office.press("")


def test_an_address_in_the_file_itself_is_not_shown_and_removed_there(office, room):
    room.file.write_text(room.file.read_text().replace('"${secret:mail}"', f'"{ADDRESS}"'))
    page = office.get("/")
    assert "an address that stands in the file itself" in page
    assert CANARY not in page
    assert "messages/1/remove" not in page
    office.get("/messages/1/remove")
    assert office.status == 404


def test_the_page_comes_up_where_messages_are_written_as_a_list(office, room):
    text = re.sub(r"(?m)^\[messages\]", "[[messages]]", room.file.read_text())
    assert "[[messages]]" in text
    room.file.write_text(text)
    assert "the file of the settings has mistakes" in office.get("/")


def test_nothing_is_said_to_arrive_where_nothing_was_taken(office):
    office.client.post("/settings/messages/test", base_url=ORIGIN)
    page = office.get("/")
    assert "the address is missing" in page
    assert "should arrive" not in page


def test_a_test_message_takes_the_real_way_and_says_how_it_went(office, room):
    with hook() as server:
        room.box.secrets.put("mail", f"json://{CANARY}:x@127.0.0.1:{server.port}/hook")
        office.get("/messages")
        office.client.post("/settings/messages/test", base_url=ORIGIN)
        page = office.get("/")
    assert "a web hook to 127.0.0.1: taken; the secret “phone”: the address is missing" in page
    assert "It took a message on" in page
    assert CANARY not in page
    assert [each["title"] for each in server.got] == ["Front office: a test message"]
    (run,) = room.box.ledger.runs("page:settings")
    assert "A test message was sent" in run.message


def test_without_an_address_a_test_says_so(office, room):
    room.engine._box.settings.messages.__dict__["to"] = ()
    office.client.post("/settings/messages/test", base_url=ORIGIN)
    assert "There is no address that messages go to" in office.get("/")


def test_an_address_that_was_saved_a_moment_ago_is_tested_too(office):
    with hook() as server:
        office.get("/messages")
        office.press("look", address=f"json://127.0.0.1:{server.port}/hook")
        office.press("save")
        office.client.post("/settings/messages/test", base_url=ORIGIN)
        assert "a web hook to 127.0.0.1: taken" in office.get("/")


def test_a_server_s_key_is_shown_compared_and_confirmed_on_the_page(office, room, sshd, served):
    (served / "a.csv").write_bytes(b"x" * 2000)
    office.get("/source/new/sftp")
    page = office.press("test", name="shop", host=sshd.host, port=str(sshd.port), user=sshd.user,
                        key=sshd.user_key.private.read_text(), path=sshd.root or ".")  # fmt: skip
    assert "Not confirmed yet" in page
    assert "SHA256:" in page
    assert "a.csv" not in page
    page = office.press("trust")
    assert "It is the right server" in page
    assert "a.csv, 2.0 KB" in page
    runs = room.box.ledger.runs("page:settings")
    assert "was confirmed: SHA256:" in runs[0].message
    office.press("look")
    office.press("save")
    assert load(room.file).source_named("shop").host == sshd.host


def test_a_cloud_is_tried_from_what_was_pasted(office, room, versioned_s3):
    from tests.test_trials import account_of

    office.get("/mirror/new")
    account = account_of(versioned_s3)
    page = office.press("test", name="second", account=account, folder=versioned_s3.bucket)
    assert "It works" in page
    assert versioned_s3.secret_key not in page
    office.press("look")
    assert "Account</strong> is stored" in office.page
    office.press("save")
    assert load(room.file).mirror_named("second").remote == f"office:{versioned_s3.bucket}"


def test_what_cannot_be_set_up_is_said_beside_the_account(office):
    office.get("/mirror/new")
    page = office.press("look", name="second", account="[x]\ntype = local\n", folder="y")
    assert 'id="problem-account"' in page
    assert "cannot be set up here" in page


@pytest.mark.parametrize("path", [*PAGES, "/nothing", "/source/new/ftp", "/panel"])
def test_E1_nobody_sees_settings_who_may_not_change_them(app, visitor, tmp_path, path):
    assert visitor.get(f"/settings{path}", base_url=ORIGIN).status_code in (302, 404)
    people = app.extensions["people"]
    people.set_password(Role.LOOK, "look only, please")
    app.config["WTF_CSRF_ENABLED"] = False
    visitor.post("/sign-in", data={"password": "look only, please"}, base_url=ORIGIN)
    assert visitor.get(f"/settings{path}", base_url=ORIGIN).status_code in (403, 404)
    assert "Settings" not in visitor.get("/", base_url=ORIGIN).text


def test_E6_nothing_is_changed_without_the_form_s_own_mark(app, box, visitor):
    token = re.search(r'csrf_token" value="([^"]+)"', visitor.get("/sign-in", base_url=ORIGIN).text)
    data = {"password": PASSWORD, "csrf_token": token[1]}
    visitor.post("/sign-in", data=data, base_url=ORIGIN, headers={"Referer": f"{ORIGIN}/sign-in"})
    for path in ("/appliance", "/source/new/sftp", "/mirror/new", "/source/x/remove",
                 "/messages", "/messages/test", "/messages/1/remove"):  # fmt: skip
        answer = visitor.post(
            f"/settings{path}", data={"do": "save", "stamp": "1"}, base_url=ORIGIN
        )
        assert answer.status_code == 400
    assert [one for one in box.asked if one[0] in ("change", "trust")] == []


def test_what_the_worker_refuses_is_said_with_the_form(keeper, box, monkeypatch):
    def refused(*_):
        raise ApplianceError("The file is root's.", hint="Ask who set up the box.")

    monkeypatch.setattr(box, "change_settings", refused)
    answer = keeper.post("/settings/appliance", data={"do": "save", "name": "x"}, base_url=ORIGIN)
    assert answer.status_code == 422
    assert "Ask who set up the box." in html.unescape(answer.text)


def test_no_page_of_settings_is_large(office):
    sizes = {
        path: len(office.client.get(f"/settings{path}", base_url=ORIGIN).data) for path in PAGES
    }
    assert max(sizes.values()) < 24 * 1024, sizes
    css = Path(create_app.__code__.co_filename).parent / "static" / "style.css"
    assert css.stat().st_size < 40 * 1024
