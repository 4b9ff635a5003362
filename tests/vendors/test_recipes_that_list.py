"""What is particular to vendors that list their records: what one may not see, what is not sorted,
what answers 200 whatever it says.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from appliance.core.errors import ApplianceError, Cancelled, SourceRefused
from appliance.core.ports import Watch

from .civicrm import CiviCrm
from .espocrm import EspoCrm, EspoCrmExport
from .freshsales import _VIEWS, Freshsales
from .google import Google
from .insightly import Insightly
from .office import CONTACTS, office
from .sugarcrm import SugarCrm
from .suitecrm import SuiteCrm
from .traps import Trap
from .unhurried import brought
from .vtiger import VTiger

SOME = 30


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (SuiteCrm, "Spots"),
        (SugarCrm, "Contracts"),
        (EspoCrm, "Case"),
        (EspoCrmExport, "Case"),
        (CiviCrm, "Membership"),
        (Insightly, "Projects"),
    ],
)
def test_what_one_may_not_see_is_said_and_the_rest_is_there(kind, name, house, source):
    vendor = kind(house, office(1, SOME), denied=True)
    export = source(vendor).pull()
    assert vendor.found(brought(export)) == vendor.truth()
    assert any(note.startswith(f"{name} is not in this backup") for note in export.notes)


def test_a_google_account_without_the_second_permission_has_its_contacts(house, source):
    vendor = Google(house, office(1, SOME), others=False)
    export = source(vendor).pull()
    assert vendor.found(brought(export)) == vendor.truth()
    assert len(export.notes) == 1


WRONG = [
    (SuiteCrm, "client_secret"),
    (SugarCrm, "password"),
    (EspoCrm, "key"),
    (CiviCrm, "key"),
    (VTiger, "key"),
    (Freshsales, "key"),
    (Insightly, "key"),
    (Google, "client_secret"),
]


@pytest.mark.parametrize(("kind", "setting"), WRONG, ids=lambda each: getattr(each, "recipe", ""))
def test_a_wrong_key_is_refused_in_words(kind, setting, house, source):
    vendor = kind(house, office(1, 3))
    told = vendor.settings() | {setting: "a-wrong-one"}
    vendor.settings = lambda: told
    with pytest.raises(ApplianceError) as refused:
        source(vendor).pull()
    assert refused.value.hint
    assert "a-wrong-one" not in str(refused.value)
    assert not refused.value.retry


def test_vtigers_no_is_told_in_its_words_though_its_status_is_200(house, source):
    vendor = VTiger(house, office(1, 3), {Trap.TOKEN_EXPIRES})
    with pytest.raises(ApplianceError, match="vTiger says no: Session has been invalidated"):
        source(vendor).pull()


def test_the_last_of_a_hundred_changed_at_one_time_are_not_lost_at_vtiger(house, source):
    vendor = VTiger(house, office(1, 250))
    vendor.changed = dict.fromkeys(vendor.changed, 1_700_000_000)
    assert vendor.found(brought(source(vendor).pull())) == vendor.truth()


def test_records_that_are_deleted_meanwhile_move_no_other_past_us_at_civicrm(house, source):
    vendor = CiviCrm(house, office(1, SOME))
    vendor.make_pages_small(4)
    answer, gone = vendor.premises.tenant, []

    def tenant(question):
        said = answer(question)
        if question.path.endswith("/Contact/get") and len(gone) < 3:
            gone.append(vendor.tables["Contact"].pop(0)["id"])
        return said

    vendor.premises.tenant = tenant
    found = vendor.found(brought(source(vendor).pull()))["Contact"]
    assert vendor.truth()["Contact"].keys() <= found.keys()
    assert len(gone) == 3


def test_sugars_token_lives_an_hour_and_each_module_gets_its_own(house, source):
    vendor = SugarCrm(house, office(1, SOME))
    answer = vendor.premises.tenant

    def tenant(question):
        if question.method == "POST":
            vendor.advance(timedelta(minutes=59))
        return answer(question)

    vendor.premises.tenant = tenant
    assert vendor.found(brought(source(vendor).pull())) == vendor.truth()


def test_a_view_that_somebody_renamed_at_freshsales_is_no_empty_list(house, source, monkeypatch):
    monkeypatch.setitem(_VIEWS, CONTACTS, {"Alle Kontakte": 1})
    with pytest.raises(ApplianceError, match="Freshsales"):
        source(Freshsales(house, office(1, 3))).pull()


def test_a_module_of_the_offices_own_that_is_new_is_announced_and_fetched(house, source):
    vendor = SuiteCrm(house, office(1, SOME))
    mine = vendor.tables.pop("ofc_Maschinen")
    pulling = source(vendor)
    pulling.pull()
    pulling.settle()
    vendor.tables["ofc_Maschinen"] = mine
    export = pulling.pull()
    assert vendor.found(brought(export)) == vendor.truth()
    (note,) = export.notes
    assert "ofc_Maschinen" in note


def test_an_export_of_espocrm_that_was_begun_is_gone_on_with_after_a_power_cut(house, source):
    vendor = EspoCrmExport(house, office(1, SOME))
    pulling, watch, answer = source(vendor), Watch(), vendor.premises.tenant

    def tenant(question):
        said = answer(question)
        if question.path.endswith("/status"):
            watch.cancel.set()
        return said

    vendor.premises.tenant = tenant
    with pytest.raises(Cancelled):
        pulling.pull(watch=watch)
    vendor.premises.tenant = answer
    assert vendor.found(brought(pulling.pull())) == vendor.truth()
    assert vendor.count("POST", "/Export") == len(vendor.tables)


def test_a_server_that_allows_smaller_pages_only_is_no_empty_backup(house, source, monkeypatch):
    monkeypatch.setattr("tests.vendors.espocrm._LIMIT", 100)
    vendor = EspoCrm(house, office(1, SOME))
    with pytest.raises(SourceRefused, match="does not let us see anything"):
        source(vendor).pull()
