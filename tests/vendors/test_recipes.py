"""Each shipped recipe against its vendor, through the interpreter: plainly, with each trap, and
with traps at random.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from appliance.core.errors import ApplianceError, Cancelled
from appliance.core.model import SeenFile
from appliance.core.ports import Watch
from appliance.sources.recipe.pull import look
from appliance.sources.sight import Sight

from .hubspot import HubSpot
from .kinds import KINDS
from .odoo import Odoo
from .office import office
from .salesforce import Salesforce, SalesforceWeekly
from .serving import FOREIGN
from .traps import Reaction, Trap
from .unhurried import NOW, brought
from .zoho import Zoho, ZohoBackup

CONTACTS = 30
ROUNDS, AT_ONCE = 500, 50
ONE_BY_ONE = [
    pytest.param(kind, trap, id=f"{kind.recipe}-{trap.name.lower()}")
    for kind in KINDS
    for trap in kind.reactions
]
DAY = timedelta(days=1)


def small(kind, house, traps=(), seed=1, page=10):
    """A vendor whose lists have several pages all the same."""
    vendor = kind(house, office(seed, CONTACTS), traps, seed)
    vendor.make_pages_small(page)
    return vendor


def attempted(pulling, **how):
    """What a pull came to: the export, or the error."""
    try:
        return pulling.pull(**how), None
    except ApplianceError as error:
        return None, error


def check(vendor, pulling):
    """Pull; whatever comes of it must be what the vendor's traps allow."""
    wanted = {vendor.reactions[trap] for trap in vendor.traps}
    export, error = attempted(pulling)
    assert vendor.told_elsewhere() == []
    assert Reaction.REFUSES in wanted or error is None, error
    assert Reaction.REFUSES not in wanted or error or Reaction.NOTHING in wanted
    if error is not None:
        words = " ".join((error.message, error.hint, error.detail))
        assert error.hint
        assert not any(secret in words for secret in vendor.secrets)
    elif Reaction.NOTHING in wanted:
        assert export.files == ()
    else:
        wanted_rows = {
            name: rows
            for name, rows in vendor.truth().items()
            if not pulling.only or name in pulling.only
        }
        assert vendor.found(brought(export)) == wanted_rows


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.recipe)
def test_a_recipe_brings_exactly_the_vendors_records(kind, house, source):
    vendor = small(kind, house)
    export = source(vendor).pull()
    assert vendor.found(brought(export)) == vendor.truth()
    assert export.notes == ()
    assert vendor.told_elsewhere() == []
    assert len(vendor.jobs) <= vendor.jobs_at_most()


@pytest.mark.parametrize(("kind", "trap"), ONE_BY_ONE)
def test_a_trap_is_survived_or_refused_as_the_vendor_says(kind, trap, house, source):
    vendor = small(kind, house, {trap}, page=4)
    pulling = source(vendor)
    if vendor.can_leave_out:
        pulling.only = tuple(vendor.large_tables()[-2:])
    check(vendor, pulling)
    if trap in (Trap.FOREIGN_LINK, Trap.FOREIGN_REDIRECT):
        assert [one for one in vendor.asked if one.role == FOREIGN] == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, ROUNDS, AT_ONCE))
def test_traps_at_random(first, house, source):
    """The seed of a round is its number; two tables do, where a recipe has items."""
    for seed in range(first, first + AT_ONCE):
        rng = Random(seed)
        kind = KINDS[seed % len(KINDS)]
        traps = rng.sample(sorted(kind.reactions, key=str), rng.choice((0, 1, 2, 2, 3, 4)))
        vendor = small(kind, house, traps, seed, page=4)
        pulling = source(vendor)
        if vendor.can_leave_out:
            pulling.only = tuple(rng.sample(vendor.large_tables(), 2))
        try:
            check(vendor, pulling)
        except BaseException:
            print(f"round {seed}: {kind.recipe}", *(trap.name for trap in traps), pulling.only)
            raise


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.recipe)
def test_a_trial_says_of_each_kind_that_it_can_be_had_and_starts_nothing(kind, house, source):
    vendor = small(kind, house)
    sight = Sight()
    look(source(vendor).settings(), sight, Watch())
    assert sight.checks
    assert [check for check in sight.checks if not check["ok"]] == []
    assert vendor.jobs == {}
    assert vendor.told_elsewhere() == []


# --- power cuts, and the next day -----------------------------------------------------------


def cut_at(vendor, path, method="GET", nth=1):
    """A watch that ends the pull once this has been asked so often."""
    watch, answer = Watch(), vendor.premises.tenant

    def tenant(question):
        said = answer(question)
        if vendor.count(method, path) >= nth:
            watch.cancel.set()
        return said

    vendor.premises.tenant = tenant
    return watch


JOBS = [
    pytest.param(Salesforce, "/jobs/query/", "/jobs/query", id="salesforce"),
    pytest.param(HubSpot, "/status", "/export/async", id="hubspot"),
    pytest.param(Zoho, "/bulk/v8/read/", "/bulk/v8/read", id="zoho"),
    pytest.param(ZohoBackup, "/bulk/v8/backup", "/bulk/v8/backup", id="zoho-backup"),
]


@pytest.mark.parametrize(("kind", "look", "begin"), JOBS)
def test_after_a_power_cut_no_job_is_started_again(kind, look, begin, house, source):
    vendor = small(kind, house)
    pulling = source(vendor)
    with pytest.raises(Cancelled):
        pulling.pull(watch=cut_at(vendor, look))
    vendor.premises.tenant = vendor.answer
    export = pulling.pull(now=NOW + timedelta(hours=1))
    assert vendor.found(brought(export)) == vendor.truth()
    assert vendor.count("POST", begin) == vendor.jobs_at_most()


@pytest.mark.parametrize("kind", [Zoho, ZohoBackup], ids=lambda kind: kind.recipe)
def test_a_token_that_was_replaced_just_before_the_power_cut_is_not_lost(kind, house, source):
    vendor = small(kind, house, {Trap.ROTATES})
    pulling = source(vendor)
    handed_out = vendor.settings()
    vendor.settings = lambda: handed_out
    with pytest.raises(Cancelled):
        pulling.pull(watch=cut_at(vendor, "/crm/", "GET" if kind is Zoho else "POST"))
    vendor.premises.tenant = vendor.answer
    assert vendor.found(brought(pulling.pull())) == vendor.truth()


def remembered(export):
    return [
        SeenFile(file.name, file.size_bytes, file.sha256, file.modified, file.validator)
        for file in export.files
    ]


@pytest.mark.parametrize("kind", [SalesforceWeekly, ZohoBackup], ids=lambda kind: kind.recipe)
def test_what_a_vendor_makes_now_and_then_is_not_fetched_every_night(kind, house, source):
    vendor = small(kind, house)
    pulling = source(vendor)
    seen = remembered(pulling.pull())
    pulling.settle()
    fetched = len(vendor.asked)
    assert pulling.pull(now=NOW + DAY, seen=seen) is None
    assert vendor.count("POST", "/backup") <= 1
    assert len(vendor.asked) - fetched <= 4
    again = pulling.pull(now=NOW + DAY, seen=())
    assert vendor.found(brought(again)) == vendor.truth(), "no disk here has it: it is fetched anew"


def test_zoho_is_asked_for_two_backups_a_month_and_no_more(house, source):
    vendor = small(ZohoBackup, house)
    pulling = source(vendor)
    seen = ()
    for day in range(31):
        export = pulling.pull(now=NOW + day * DAY, seen=seen)
        if export is not None:
            seen = remembered(export)
            pulling.settle()
        vendor.advance(DAY)
    assert vendor.count("POST", "/backup") == 3
    assert [asked.answered for asked in vendor.asked if asked.answered >= 400] == []


def test_hubspots_thirty_exports_a_day_are_not_exceeded(house, source):
    vendor = small(HubSpot, house)
    pulling = source(vendor)
    for hour in range(6):
        pulling.pull(now=NOW + timedelta(hours=hour))
        pulling.settle()
    export, error = attempted(pulling, now=NOW + timedelta(hours=7))
    assert export is None
    assert "30 exports" in error.message
    assert vendor.count("POST", "/export/async") == 30


def test_a_hubspot_without_custom_objects_is_pulled_all_the_same(house, source):
    vendor = HubSpot(house, office(1, CONTACTS), custom_objects=False)
    export = source(vendor).pull()
    assert vendor.found(brought(export)) == vendor.truth()
    assert export.notes == ()


def test_an_object_of_the_offices_own_that_is_new_is_announced(house, source):
    pulling = source(HubSpot(house, office(1, CONTACTS), custom_objects=False))
    pulling.pull()
    pulling.settle()
    pulling.vendor = HubSpot(house, office(1, CONTACTS))
    (note,) = pulling.pull().notes
    assert "p4711_maschine" in note


@pytest.mark.parametrize("status", [200, 422])
def test_a_wrong_master_password_of_odoo_brings_nothing(status, house, source):
    vendor = small(Odoo, house)
    vendor.answers_wrong_password_with = status
    told = vendor.settings() | {"password": "wrong"}
    vendor.settings = lambda: told
    export, error = attempted(source(vendor))
    assert export is None
    assert "Check the" in error.hint


def test_an_office_of_thousands_has_pages_of_the_real_size(house, source):
    vendor = Salesforce(house, office(1, 600))
    vendor.make_pages_small(50_000)
    export = source(vendor).pull()
    assert vendor.found(brought(export)) == vendor.truth()
    assert vendor.count("GET", "/results") == len(vendor.tables) - 1
