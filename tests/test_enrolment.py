"""What is done once by a person: a repository is made, a key confirmed, a sheet printed."""

import pytest

from appliance import enrolment
from appliance.box import Box
from appliance.config import load
from appliance.core.errors import ApplianceError, ConfigError, DiskAbsent, PassphraseWrong
from appliance.core.model import Outcome
from appliance.engine import memory
from tests.system.office import Office


@pytest.fixture
def office(tmp_path):
    folder = tmp_path / "office"
    folder.mkdir()
    return Office(folder)


def box_of(office):
    return Box(load(office.config))


@pytest.fixture
def box(office):
    """A box with one disk that nothing was made on yet."""
    office.inbox()
    (office.folder / "disk").mkdir()
    path = office.folder / "disk" / "repo"
    office.add("[[repository]]", name="disk-a", path=path, passphrase="${secret:disk-a}")
    made = box_of(office)
    yield made
    made.ledger.close()


@pytest.mark.slow
def test_making_a_repository_twice_adopts_it_and_keeps_the_passphrase(box):
    first = enrolment.init_repository(box, "disk-a")
    passphrase = box.secrets.get("disk-a")
    second = enrolment.init_repository(box, "disk-a")

    assert first == second
    assert box.secrets.get("disk-a") == passphrase
    assert len(first.id) == 64
    html = first.sheet.read_text()
    assert passphrase in html
    assert first.id in html
    assert first.sheet.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_a_disk_that_was_made_but_is_not_there_is_not_made_anew(box, office):
    enrolment.init_repository(box, "disk-a")
    (office.folder / "disk").rename(office.folder / "unplugged")
    with pytest.raises(DiskAbsent):
        enrolment.init_repository(box_of(office), "disk-a")
    (office.folder / "disk").mkdir()  # an empty mount point
    with pytest.raises(DiskAbsent, match="made already") as absent:
        enrolment.init_repository(box_of(office), "disk-a")
    assert "name of its own" in absent.value.hint
    assert list((office.folder / "disk").iterdir()) == []


@pytest.mark.slow
def test_another_passphrase_does_not_open_what_is_there(box, office):
    enrolment.init_repository(box, "disk-a")
    box.secrets.put("disk-a", "not this one")
    with pytest.raises(PassphraseWrong):
        enrolment.init_repository(box_of(office), "disk-a")


@pytest.mark.slow
def test_the_mark_of_damage_comes_off_when_everything_was_read_and_is_whole(box, office):
    enrolment.init_repository(box, "disk-a")
    memory.mark_damaged(box.ledger, "disk-a", "it was full")
    (run,) = office.json("check", "--repository", "disk-a")
    assert run["outcome"] == Outcome.OK
    assert not memory.is_damaged(box.ledger, "disk-a")
    assert "did you mean" in office.call("check", "--repository", "disk-z").stderr


def test_names_that_are_not_configured_are_refused(box):
    with pytest.raises(ConfigError, match="did you mean"):
        enrolment.init_repository(box, "disk-aa")
    assert not box.secrets.has("disk-aa")
    with pytest.raises(ConfigError, match="no source"):
        enrolment.offered_key(box, "crm")
    with pytest.raises(ApplianceError, match="not an SFTP source"):
        enrolment.offered_key(box, "by-hand")


@pytest.mark.slow
def test_a_key_is_shown_before_it_is_pinned_and_a_new_one_beside_the_old(
    box, office, sshd, tmp_path
):
    office.sftp(sshd)
    box = box_of(office)
    offer = enrolment.offered_key(box, "crm")
    assert (offer.is_pinned, offer.pinned) == (False, "")
    assert offer.key.fingerprint == sshd.host_key.fingerprint

    enrolment.pin_key(box, offer)
    again = enrolment.offered_key(box, "crm")
    assert again.is_pinned
    assert again.pinned == offer.key.fingerprint


@pytest.mark.slow
def test_the_key_of_a_repository_behind_ssh_is_confirmed_the_same_way(box, office, ssh_shell):
    url = f"ssh://{ssh_shell.user}@{ssh_shell.host}:{ssh_shell.port}{office.folder}/far"
    office.add("[[repository]]", name="far", url=url, passphrase="${secret:far}")
    box = box_of(office)
    offer = enrolment.offered_key(box, "far")
    enrolment.pin_key(box, offer)
    assert enrolment.offered_key(box, "far").is_pinned
