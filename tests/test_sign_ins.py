"""A source at a vendor's: somebody signs in, the box keeps trying it, and says when it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.box import Box as WholeBox
from appliance.config import load
from appliance.core.errors import ApplianceError, SourceRefused
from appliance.core.ports import Watch
from appliance.demo.authority import Authority
from appliance.engine import observations
from appliance.engine.observations import Probed
from appliance.probing import AFTER_START, AGAIN, EVERY, Probes
from tests.fakes import FakeClock
from tests.system import processes
from tests.system.office import section
from tests.test_desk import Room
from tests.vendors.sign_in import SignInServer, sign_in_server

DAY = timedelta(days=1)


@pytest.fixture
def vendor(ca: Authority):
    with sign_in_server(ca) as vendor:
        yield vendor


class Box(Room):
    """A worker with one source at that vendor's."""

    kind = "http"

    def __init__(self, folder: Path, vendor: SignInServer, ca: Authority, **auth: object) -> None:
        self.vendor = vendor
        given = {
            "kind": "oauth2",
            "grant": "authorization_code",
            "token_url": vendor.url("/token"),
            "authorize_url": vendor.url("/authorize"),
            "client_id": "kiosk",
        }
        keys = {"name": "crm", "type": self.kind, "url": vendor.url("/export.csv")}
        keys |= {"auth": given | auth, "ca_file": str(ca.certificate)}
        text = section("[appliance]", state="/var/lib/appliance", timezone="UTC")
        nas = {"name": "nas", "path": str(folder / "nas"), "passphrase": "${secret:nas}"}
        super().__init__(
            folder, text + section("[[source]]", **keys) + section("[[repository]]", **nas)
        )
        self.box.clock.is_synchronised = lambda: True

    def signs_in(self) -> dict[str, object]:
        begun = self.engine.begin_sign_in("crm")
        return self.engine.finish_sign_in("crm", self.vendor.says_yes(begun["pending"]["link"]))

    @property
    def stands(self) -> dict[str, object]:
        (found,) = self.engine.status()["sign_ins"]
        return found

    @property
    def token(self) -> str:
        return self.box.secrets.get("signin-crm")


@pytest.fixture
def box(tmp_path: Path, vendor: SignInServer, ca: Authority) -> Box:
    (folder := tmp_path / "box").mkdir()
    return Box(folder, vendor, ca)


@pytest.fixture
def make(tmp_path: Path, vendor: SignInServer, ca: Authority):
    def made(**auth: object) -> Box:
        (folder := tmp_path / "other").mkdir()
        return Box(folder, vendor, ca, **auth)

    return made


# --- somebody signs in ------------------------------------------------------------------------


def test_before_anybody_signed_in_status_asks_for_it(box: Box):
    assert box.stands["state"] == "none"
    status = box.engine.status()
    assert "sign-in" in status["reasons"]
    assert any("`appliance signin crm`" in each["todo"] for each in status["vitals"])


def test_a_link_and_a_paste_are_enough_and_it_is_proved_at_once(box: Box, vendor: SignInServer):
    vendor.more = {"refresh_token_expires_in": 86400 * 100}
    done = box.signs_in()
    assert done["state"] == "good"
    assert done["pending"]["state"] == "done"
    assert box.token in vendor.judge.refresh
    grants = [form["grant_type"] for form in vendor.forms]
    assert grants == ["authorization_code", "refresh_token"]
    until = datetime.fromisoformat(done["until"])
    assert timedelta(days=99) < until - datetime.now(UTC) < timedelta(days=101)
    assert "sign-in" not in box.engine.status()["reasons"]
    assert box.token not in repr(done)


def test_what_is_pasted_wrongly_may_be_pasted_again(box: Box, vendor: SignInServer):
    begun = box.engine.begin_sign_in("crm")
    for wrong in ("", "https://v.example/?code=x&state=y", vendor.url("/authorize")):
        with pytest.raises(SourceRefused):
            box.engine.finish_sign_in("crm", wrong)
    landed = vendor.says_yes(begun["pending"]["link"])
    assert box.engine.finish_sign_in("crm", landed)["state"] == "good"


def test_a_code_that_is_none_of_the_vendors_leaves_the_link_as_good_as_before(box, vendor):
    begun = box.engine.begin_sign_in("crm")
    with pytest.raises(SourceRefused):
        box.engine.finish_sign_in("crm", "no-code-of-theirs")
    assert box.engine.sign_in("crm")["pending"]["state"] == "waiting"
    landed = vendor.says_yes(begun["pending"]["link"])
    assert box.engine.finish_sign_in("crm", landed)["state"] == "good"
    with pytest.raises(ApplianceError, match="over"):
        box.engine.finish_sign_in("crm", landed)


def test_the_newest_link_alone_counts(box: Box, vendor: SignInServer):
    first = box.engine.begin_sign_in("crm")["pending"]["link"]
    box.engine.begin_sign_in("crm")
    with pytest.raises(SourceRefused, match="not of this sign-in"):
        box.engine.finish_sign_in("crm", vendor.says_yes(first))


def test_two_pastes_at_once_are_one_sign_in(box: Box, vendor: SignInServer):
    landed = vendor.says_yes(box.engine.begin_sign_in("crm")["pending"]["link"])
    outcomes: list[str] = []

    def paste() -> None:
        try:
            outcomes.append(box.engine.finish_sign_in("crm", landed)["state"])
        except ApplianceError as error:
            outcomes.append(error.message)

    threads = [threading.Thread(target=paste) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert outcomes.count("good") == 1
    assert sum("over" in each for each in outcomes) == 2


def test_a_link_that_lay_open_for_too_long_is_none(box: Box, monkeypatch):
    box.engine.begin_sign_in("crm")
    later = box.box.clock.monotonic() + 1801
    monkeypatch.setattr(box.box.clock, "monotonic", lambda: later)
    assert box.engine.sign_in("crm")["pending"] is None


def test_whoever_leaves_it_leaves_everything_as_it_was(box: Box, vendor: SignInServer):
    box.signs_in()
    before = box.token
    landed = vendor.says_yes(box.engine.begin_sign_in("crm")["pending"]["link"])
    box.engine.leave_sign_in("crm")
    with pytest.raises(ApplianceError, match="over"):
        box.engine.finish_sign_in("crm", landed)
    assert box.token == before
    assert box.stands["state"] == "good"


def test_a_vendor_that_lets_us_in_but_once_is_no_sign_in(box: Box, vendor: SignInServer):
    vendor.trap = lambda _: (
        (vendor.signs_out_everybody() if len(vendor.forms) > 1 else None) or (False)
    )
    with pytest.raises(SourceRefused, match="not a second time"):
        box.signs_in()


def test_a_code_that_is_typed_is_waited_for(make, vendor: SignInServer):
    box = make(grant="device_code", device_url=vendor.url("/device"))
    vendor.interval = 0.05
    begun = box.engine.begin_sign_in("crm")["pending"]
    assert (begun["state"], begun["code"]) == ("waiting", "WDJB-MJHT")
    version = box.engine.status()["version"]
    vendor.types_code()
    assert processes.until(lambda: box.engine.sign_in("crm")["pending"]["state"] == "done", 20)
    assert box.stands["state"] == "good"
    assert processes.until(lambda: box.engine.status()["version"] > version)


def test_a_code_that_is_refused_is_said_and_one_that_is_left_is_asked_for_no_more(make, vendor):
    box = make(grant="device_code", device_url=vendor.url("/device"))
    vendor.interval = 0.05
    box.engine.begin_sign_in("crm")
    vendor.types_code("access_denied")
    assert processes.until(lambda: box.engine.sign_in("crm")["pending"]["state"] == "failed", 20)
    assert "said no" in box.engine.sign_in("crm")["pending"]["error"]["message"]
    box.engine.begin_sign_in("crm")
    thread = box.engine.signing_in.pending(box.box, "crm").thread
    box.engine.leave_sign_in("crm")
    thread.join(20)
    assert not thread.is_alive()
    assert not box.box.secrets.has("signin-crm")


def test_a_source_without_a_link_says_so(make, vendor: SignInServer):
    box = make(grant="password", user="ann", password="${secret:p}")
    with pytest.raises(ApplianceError, match="by a link"):
        box.engine.begin_sign_in("crm")
    with pytest.raises(ApplianceError, match="no source named x"):
        box.engine.sign_in("x")


# --- afterwards -------------------------------------------------------------------------------


def test_somebody_who_moves_the_source_gets_nothing_of_the_sign_in(box: Box, vendor: SignInServer):
    """Else whoever may change an address on the page could have the token sent there."""
    box.signs_in()
    text = box.file.read_text()
    vendor.forms.clear()
    for old in ("/token", "/export.csv"):
        moved = text.replace(vendor.url(old), vendor.url(old).replace("localhost", "127.0.0.1"))
        box.file.write_text(moved)
        with pytest.raises(SourceRefused, match="others than when"):
            WholeBox(load(box.file)).sources["crm"].sign_in(Watch())
    assert vendor.forms == []


def test_what_ends_is_counted_down_and_said(make, vendor: SignInServer, monkeypatch):
    box = make(sign_in_lasts="90d")
    box.signs_in()
    assert box.stands["state"] == "good"
    now = datetime.now(UTC)
    for days, state in ((70, "good"), (80, "near"), (91, "over")):
        monkeypatch.setattr(box.box.clock, "now", lambda days=days: now + days * DAY)
        monkeypatch.setattr(box.box.clock, "is_synchronised", lambda: True)
        assert box.stands["state"] == state


def test_without_a_trusted_clock_no_date_is_said(make, vendor: SignInServer, monkeypatch):
    box = make(sign_in_lasts="90d")
    box.signs_in()
    monkeypatch.setattr(box.box.clock, "is_synchronised", lambda: False)
    later = datetime.now(UTC) + 900 * DAY
    monkeypatch.setattr(box.box.clock, "now", lambda: later)
    assert (box.stands["state"], box.stands["until"]) == ("good", None)


def test_an_address_book_is_signed_in_for_alike(tmp_path, vendor, ca, monkeypatch):
    monkeypatch.setattr(Box, "kind", "carddav")
    (folder := tmp_path / "book").mkdir()
    box = Box(folder, vendor, ca)
    assert box.stands["state"] == "none"
    assert box.signs_in()["state"] == "good"


# --- tried once a day -------------------------------------------------------------------------


class Tried:
    """Probes with a clock of the test's."""

    def __init__(self, box: Box) -> None:
        self.box, self.clock = box, FakeClock()
        self.clock.time = datetime.now(UTC)
        self.is_at_work, self.changes = False, 0
        real = box.box
        seen = SimpleNamespace(
            clock=self.clock, settings=real.settings, ledger=real.ledger, secrets=real.secrets,
            state=real.state, sources=real.sources,
        )  # fmt: skip
        self.probes = Probes(seen, lambda: self.is_at_work, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def passes(self, length: timedelta) -> int:
        """Let time pass, look, and return how often the vendor was asked."""
        before = len(self.box.vendor.forms)
        self.clock.forward(length)
        self.probes.look()
        if self.probes._thread is not None:
            self.probes._thread.join(30)
        return len(self.box.vendor.forms) - before


@pytest.fixture
def tried(box: Box) -> Tried:
    box.signs_in()
    return Tried(box)


def test_a_day_after_the_last_sign_in_it_is_tried_and_not_sooner(tried: Tried):
    assert tried.passes(AFTER_START) == 0
    assert tried.passes(EVERY / 2) == 0
    assert tried.passes(EVERY / 2) == 1
    assert tried.passes(AGAIN * 2) == 0
    assert tried.box.stands["state"] == "good"


def test_while_a_backup_runs_or_the_clock_is_wrong_nothing_is_tried(tried: Tried):
    tried.is_at_work = True
    assert tried.passes(EVERY * 2) == 0
    tried.is_at_work, tried.clock.synchronised = False, False
    assert tried.passes(EVERY) == 0
    tried.clock.synchronised = True
    assert tried.passes(EVERY) == 1


def test_a_backup_that_signed_in_is_enough(tried: Tried, monkeypatch):
    known = tried.probes._box.state / "signins" / "crm.json"
    tried.clock.forward(EVERY * 2)
    used = tried.clock.now().isoformat()
    known.write_text(json.dumps(json.loads(known.read_text()) | {"used": used}))
    assert tried.passes(AGAIN) == 0


def test_a_sign_in_that_died_is_said_the_same_day_and_not_tried_until_the_next(tried, vendor):
    vendor.signs_out_everybody()
    assert tried.passes(EVERY + AFTER_START) == 1
    assert tried.box.stands["state"] == "refused"
    status = tried.box.engine.status()
    assert "sign-in" in status["reasons"]
    (said,) = [each for each in status["vitals"] if each["name"] == "sign-in crm"]
    assert said["urgent"] == "yes"
    assert tried.passes(AGAIN * 3) == 0
    assert tried.passes(EVERY) == 1
    assert tried.changes == 2


def test_the_next_sign_in_that_works_clears_it(tried: Tried, vendor: SignInServer):
    vendor.signs_out_everybody()
    tried.passes(EVERY + AFTER_START)
    tried.box.signs_in()
    assert tried.box.stands["state"] == "good"
    assert "sign-in" not in tried.box.engine.status()["reasons"]


def test_so_does_a_backup_that_gets_in(tried: Tried):
    count = tried.box.box.sources["crm"].sign_in(Watch())["count"]
    probed = Probed(datetime.now(UTC), "No.", int(str(count)))
    observations.note_probe(tried.box.box.ledger, "crm", probed)
    assert tried.box.stands["state"] == "refused"
    tried.box.box.sources["crm"].sign_in(Watch())
    assert tried.box.stands["state"] == "good"


def test_where_nobody_answers_it_is_tried_again_in_an_hour_and_nobody_is_told(tried, vendor):
    vendor.trap = lambda request: request.answer(503) or True
    assert tried.passes(EVERY + AFTER_START) == 1
    assert tried.box.stands["state"] == "good"
    assert tried.passes(AGAIN / 2) == 0
    assert tried.passes(AGAIN / 2) == 1
    vendor.trap = lambda _: False
    assert tried.passes(AGAIN) == 1


def test_what_nobody_signed_in_for_is_not_tried(box: Box):
    assert Tried(box).passes(EVERY + AFTER_START) == 0


def test_a_source_that_signs_in_by_itself_is_tried_too(make, vendor: SignInServer):
    box = make(grant="password", user="ann", password="${secret:p}")
    box.box.secrets.put("p", "open sesame")
    tried = Tried(box)
    assert tried.passes(EVERY + AFTER_START) == 1
    assert tried.passes(EVERY / 2) == 0
    box.box.secrets.put("p", "another")
    assert tried.passes(EVERY) == 1
    assert box.stands["state"] == "refused"
    assert "new key or password" in repr(box.engine.status()["vitals"])


def test_no_library_that_asks_vendors_is_loaded_by_the_worker():
    code = "import appliance.signing_in, appliance.probing, sys; print('urllib3' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


# --- by a recipe ------------------------------------------------------------------------------

RECIPE = """
base = "https://${setting.host}"
hosts = ["${setting.host}"]
[auth]
kind = "oauth2"
grant = "authorization_code"
authorize_url = "https://${setting.host}/authorize"
authorize_extra = { prompt = "consent" }
token_url = "https://${setting.host}/token"
client_id = "${setting.client_id}"
client_secret = "${setting.client_secret}"
refresh_token = "${setting.refresh_token?}"
sign_in_lasts = "90d"
[setting.host]
title = "Server"
kind = "host"
[setting.client_id]
title = "App"
[setting.client_secret]
title = "Secret"
secret = true
[setting.refresh_token]
title = "Sign-in"
secret = true
default = ""
[[step]]
url = "/export.csv"
to = "all.csv"
"""


class ByRecipe(Box):
    """A worker whose source follows a recipe."""

    def __init__(self, folder: Path, vendor: SignInServer, ca: Authority, **given: object) -> None:
        self.vendor = vendor
        (folder / "crm.toml").write_text(RECIPE)
        keys = {"name": "crm", "recipe": str(folder / "crm.toml"), "client_id": "box"}
        keys |= {"host": vendor.url("").removeprefix("https://"), "ca_file": str(ca.certificate)}
        keys |= {"client_secret": "${secret:app}"} | given
        nas = {"name": "nas", "path": str(folder / "nas"), "passphrase": "${secret:nas}"}
        text = section("[appliance]", state="/var/lib/appliance", timezone="UTC")
        Room.__init__(
            self, folder, text + section("[[source]]", **keys) + section("[[repository]]", **nas)
        )
        self.box.clock.is_synchronised = lambda: True
        self.box.secrets.put("app", "client-s3cret")

    def pulls(self) -> bytes:
        (into := self.folder / "into").mkdir()
        export = self.box.sources["crm"].pull(into, datetime.now(UTC), (), Watch())
        return export.files[0].path.read_bytes()


@pytest.fixture
def by_recipe(tmp_path: Path, vendor: SignInServer, ca: Authority) -> ByRecipe:
    (folder := tmp_path / "recipe").mkdir()
    return ByRecipe(folder, vendor, ca)


def test_a_source_with_a_recipe_is_signed_in_for_alike(by_recipe: ByRecipe, vendor: SignInServer):
    assert by_recipe.stands["state"] == "none"
    assert by_recipe.signs_in()["state"] == "good"
    until = datetime.fromisoformat(by_recipe.stands["until"])
    assert timedelta(days=89) < until - datetime.now(UTC) < timedelta(days=91)
    assert b"Ada" in by_recipe.pulls()
    assert by_recipe.box.sources["crm"].sign_in(Watch())["count"] == 4


def test_a_recipe_that_was_moved_gets_nothing_of_the_sign_in(by_recipe, vendor):
    by_recipe.signs_in()
    text = by_recipe.file.read_text()
    by_recipe.file.write_text(text.replace("localhost:", "127.0.0.1:"))
    moved = WholeBox(load(by_recipe.file)).sources["crm"]
    with pytest.raises(SourceRefused, match="others than when"):
        moved.sign_in(Watch())


def test_a_refresh_token_that_somebody_has_already_will_do(tmp_path, vendor, ca):
    (folder := tmp_path / "given").mkdir()
    box = ByRecipe(folder, vendor, ca, refresh_token="${secret:mine}")
    assert box.stands["state"] == "none"
    box.box.check_secrets()
    (other := tmp_path / "other").mkdir()
    signed = ByRecipe(other, vendor, ca)
    signed.signs_in()
    box.box.secrets.put("mine", signed.token)
    assert b"Ada" in box.pulls()
    assert box.stands["state"] == "good"
    assert box.box.secrets.get("mine") in vendor.judge.refresh


def test_a_sign_in_brings_the_secret_that_the_file_names(tmp_path, vendor, ca):
    (folder := tmp_path / "given").mkdir()
    box = ByRecipe(folder, vendor, ca, refresh_token="${secret:mine}")
    assert box.signs_in()["state"] == "good"
    assert box.box.secrets.get("mine") in vendor.judge.refresh
    assert b"Ada" in box.pulls()


def test_a_recipe_is_told_what_its_grant_lacks(tmp_path: Path):
    from appliance.config import recipes
    from appliance.core.errors import ConfigError

    file = tmp_path / "crm.toml"
    for old, new, words in (
        ('"authorization_code"', '"authorisation_code"', 'did you mean "authorization_code"'),
        ("authorize_url", "authorise_url", "authorize_url"),
        ('grant = "authorization_code"', 'grant = "jwt_bearer"', "needs it"),
    ):
        file.write_text(RECIPE.replace(old, new))
        with pytest.raises(ConfigError) as caught:
            recipes.named(str(file))
        assert words in caught.value.message
