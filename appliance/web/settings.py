"""Settings that an office changes: shown, tried, looked at before they are saved.

What is typed as a secret goes to the worker at once, which gives a mark for it: the mark is what
comes back in the form, and nobody can read the secret with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..core.errors import ApplianceError
from ..core.settable import FORGET, NAMED, SOURCES, Field, Kind
from ..system.socket import WorkerAbsent
from . import offers, setting_told, when
from .box import the_box
from .policy import Role, open_to
from .setting_words import KINDS, TITLES, plain
from .sheets import SCHEDULES, Sheet

room = Blueprint("settings", __name__, url_prefix="/settings")

_WRONG = 422
_NEW = "new"
SETTING_UP = "first-run"
"""In an address as `then`: where to go on once it is saved."""
_KINDS_OF = {"source": "Source", "mirror": "Cloud copy"}
_IN_USE = {
    "now": "It is in use now.",
    "after what runs": "It is in use as soon as what runs just now has ended.",
}


# --- what there is --------------------------------------------------------------------------------


@room.get("/")
@open_to(Role.CHANGE)
def overview() -> ResponseReturnValue:
    """Show all sections in plain words."""
    facts = the_box().settings()
    return render_template(
        "settings.html",
        facts=facts,
        titles=TITLES,
        kind_of=setting_told.kind_of,
        summary=setting_told.summaries(facts),
        addresses=setting_told.addresses(facts, the_box().messages()),
        pins=setting_told.pin_places(cast("Mapping[str, Any]", facts["panel"])),
        when=when,
        plain=plain,
    )


@room.get("/data-protection")
@open_to(Role.CHANGE)
def data_protection() -> ResponseReturnValue:
    """Show the data-protection sheet, ready to be printed."""
    return render_template("data_protection.html", sheet=the_box().data_protection())


# --- forms ----------------------------------------------------------------------------------------


@room.route("/<any(appliance, retention, disks, messages):section>", methods=["GET", "POST"])
@open_to(Role.CHANGE)
def one(section: str) -> ResponseReturnValue:
    """Show and change a section that there is once."""
    facts = _facts()
    stored = facts.get("sections", {}).get(section, {})
    return _answered(Sheet(section, stored=stored, facts=facts))


@room.get("/source/new")
@open_to(Role.CHANGE)
def new_source() -> ResponseReturnValue:
    """Ask which kind of source it is to be."""
    return render_template("setting_kinds.html", kinds=KINDS, offers=offers.told(_facts()).values())


@room.route("/source/new/recipe", methods=["GET", "POST"])
@open_to(Role.CHANGE)
def add_recipe() -> ResponseReturnValue:
    """Add a source by the name of its CRM, which the address says: `?recipe=hubspot`."""
    facts = _facts()
    offer = offers.told(facts).get(request.args.get("recipe", ""))
    if offer is None:
        return redirect(url_for("settings.new_source"))
    name = request.form.get("name", offers.free_name(offer, facts)).strip()
    return _answered(Sheet("source", name, offer.kind, adding=True, facts=facts, offer=offer))


@room.route("/source/new/<kind>", methods=["GET", "POST"])
@open_to(Role.CHANGE)
def add_source(kind: str) -> ResponseReturnValue:
    """Add a source."""
    if kind not in SOURCES:
        abort(404)
    name = request.form.get("name", "").strip()
    return _answered(Sheet("source", name, kind, adding=True, facts=_facts()))


@room.route("/mirror/new", methods=["GET", "POST"])
@open_to(Role.CHANGE)
def add_mirror() -> ResponseReturnValue:
    """Add a copy in the cloud."""
    name = request.form.get("name", "").strip()
    return _answered(Sheet("mirror", name, adding=True, facts=_facts()))


@room.route("/<any(source, mirror):section>/<name>", methods=["GET", "POST"])
@open_to(Role.CHANGE)
def named(section: str, name: str) -> ResponseReturnValue:
    """Show and change a source, or a copy in the cloud."""
    facts = _facts()
    found = _found(facts, section, name)
    if section != "source":
        return _answered(Sheet(section, name, stored=found["fields"], facts=facts))
    if found["by_hand"]:
        return render_template("setting_by_hand.html", name=name, why=found["by_hand"])
    offer = offers.told(facts)[found["recipe"]] if found["recipe"] else None
    return _answered(
        Sheet(section, name, found["type"], stored=found["fields"], facts=facts, offer=offer)
    )


@room.route("/<any(source, mirror):section>/<name>/remove", methods=["GET", "POST"])
@open_to(Role.CHANGE)
def remove(section: str, name: str) -> ResponseReturnValue:
    """Take a source, or a copy in the cloud, out of the settings; its backups stay."""
    facts = the_box().settings()
    kind = str(_found(facts, section, name)["type"]) if section == "source" else ""
    sheet = Sheet(section, name, kind, facts=facts)
    if request.method == "GET":
        told = the_box().preview_settings(section, name, None)
        return render_template("setting_remove.html", sheet=sheet, stamp=told["stamp"], told=told,
                               plain=plain)  # fmt: skip
    told = the_box().change_settings(section, name, None, request.form.get("stamp", ""))
    if not told["saved"]:
        stamp = the_box().settings()["stamp"]
        return render_template("setting_remove.html", sheet=sheet, stamp=stamp, told=told,
                               plain=plain), _WRONG  # fmt: skip
    what = _KINDS_OF[section]
    return _done(f"{what} {name} is taken out; its backups are kept.", told)


# --- messages -------------------------------------------------------------------------------------


@room.post("/messages/test")
@open_to(Role.CHANGE)
def test_messages() -> ResponseReturnValue:
    """Send a test message by the way that all messages go, and say how each address took it."""
    try:
        told = the_box().test_messages()
    except WorkerAbsent:
        raise
    except ApplianceError as error:
        flash(plain(f"{error.message} {error.hint}".strip()))
        return redirect(url_for("settings.overview"))
    sentence = setting_told.test_in_words(told)
    the_box().note("settings", sentence, all(each["taken"] for each in told))
    flash(sentence)
    return redirect(url_for("settings.overview"))


@room.route("/messages/<int:number>/remove", methods=["GET", "POST"])
@open_to(Role.CHANGE)
def remove_address(number: int) -> ResponseReturnValue:
    """Take an address out, the first, the second or so: no message goes there any more."""
    facts = the_box().settings()
    found = setting_told.addresses(facts, ())[number - 1 : number] if number else []
    if not found or not found[0]["name"]:
        abort(404)
    told: Mapping[str, Any] = {"problems": ()}
    if request.method == "POST":
        stamp = request.form.get("stamp", "")  # of the file in which it had this number
        told = the_box().change_settings("messages", found[0]["name"], None, stamp)
        if told["saved"]:
            return _done(f"No message goes to {found[0]['address']} any more.", told)
    page = render_template("setting_address.html", told=told, stamp=facts["stamp"], plain=plain,
                           address=found[0]["address"])  # fmt: skip
    return (page, _WRONG) if request.method == "POST" else page


def _facts() -> Mapping[str, Any]:
    """Return what the worker says; nothing where a form has to come back though it is away."""
    try:
        return the_box().settings()
    except WorkerAbsent:
        if request.method == "GET":
            raise
        return {}


def _found(facts: Mapping[str, Any], section: str, name: str) -> Mapping[str, Any]:
    present = facts.get("sections", {}).get(section, ())
    found = next((each for each in present if each["name"] == name), None)
    if found is None and facts:
        abort(404)
    if found is None:
        raise WorkerAbsent("The worker is not running.")
    return cast("Mapping[str, Any]", found)


def _answered(sheet: Sheet) -> ResponseReturnValue:
    if request.method == "GET":
        return _form(sheet)
    try:
        return _pressed(sheet)
    except ApplianceError as error:
        sheet.trouble = plain(f"{error.message} {error.hint}".strip())
        return _form(sheet), 503 if isinstance(error, WorkerAbsent) else _WRONG


def _pressed(sheet: Sheet) -> ResponseReturnValue:
    """Do what the pressed button is for; nothing that was typed is lost on the way."""
    _read(sheet)
    match request.form.get("do", "look"):
        case "back":
            return _form(sheet)
        case "test":
            return _try(sheet)
        case "trust":
            return _trust(sheet)
        case "save":
            return _save(sheet, request.form.get("stamp", ""))
        case _:
            return _look(sheet)


def _read(sheet: Sheet) -> None:
    """Take what was filled in. Plain values first: they come back even if no secret is taken."""
    for each in sheet.fields:
        if not each.kind.is_secret:
            sheet.wish[each.key] = _filled_in(each)
        elif f"forget:{each.key}" in request.form:
            sheet.wish[each.key] = FORGET
        else:
            sheet.wish[each.key] = request.form.get(f"kept:{each.key}", "")
    if sheet.adding:
        sheet.wish |= {"name": sheet.name} | _what_it_is(sheet)
    for each in sheet.fields:
        typed = request.form.get(each.key, "") if each.kind.is_secret else ""
        if typed.strip() and sheet.wish[each.key] != FORGET:
            sheet.wish[each.key] = the_box().put_secret(typed)


def _what_it_is(sheet: Sheet) -> dict[str, str]:
    if sheet.offer:
        return {"recipe": sheet.offer.name}
    return {"type": sheet.kind} if sheet.kind else {}


def _filled_in(one: Field) -> str:
    if one.key in SCHEDULES:
        return when.put_together(request.form, one.key)
    return request.form.get(one.key, "").strip()


def _form(sheet: Sheet) -> str:
    told: Mapping[str, Any] = {}
    if sheet.section == "retention" and sheet.facts and not sheet.problems:
        told = the_box().preview_settings("retention", "", _plain_wish(sheet))
    return render_template(
        "setting.html",
        sheet=sheet,
        kept=setting_told.kept_in_words(told.get("kept"), sheet.zone),
        gone=told.get("gone"),
        kind=Kind,
        schedules=SCHEDULES,
        when=when,
        forget=FORGET,
        sight=setting_told.sight(sheet),
    )


def _plain_wish(sheet: Sheet) -> dict[str, str]:
    return {each.key: sheet.value(each) for each in sheet.fields}


# --- looking, saving, trying ----------------------------------------------------------------------


def _look(sheet: Sheet) -> ResponseReturnValue:
    """Show what would change, before anything is saved."""
    told = the_box().preview_settings(sheet.section, sheet.name, sheet.wish)
    if told["problems"]:
        return _corrected(sheet, told)
    if not told["changed"] and not sheet.adding:
        flash("Nothing was changed.")
        return redirect(url_for("settings.overview"))
    return _confirm(sheet, told, str(told["stamp"]))


def _corrected(sheet: Sheet, told: Mapping[str, Any]) -> ResponseReturnValue:
    for each in told["problems"]:
        key, message = each["field"], plain(each["message"])
        if key in {field.key for field in sheet.fields} | {"name"}:
            sheet.problems.setdefault(key, message)
        else:
            sheet.trouble = f"{sheet.trouble} {message}.".strip()
    return _form(sheet), _WRONG


def _confirm(sheet: Sheet, told: Mapping[str, Any], stamp: str) -> str:
    return render_template(
        "setting_confirm.html",
        sheet=sheet,
        stamp=stamp,
        moved=told.get("moved", ""),
        changes=[setting_told.change_in_words(sheet, each) for each in told["changed"]],
        kept=setting_told.kept_in_words(told.get("kept"), sheet.zone),
        gone=told.get("gone"),
        schedules=SCHEDULES,
        forget=FORGET,
    )


def _save(sheet: Sheet, stamp: str) -> ResponseReturnValue:
    told = the_box().change_settings(sheet.section, sheet.name, sheet.wish, stamp)
    if told.get("moved") and not told["problems"]:
        return _confirm(sheet, told, str(the_box().settings()["stamp"])), 409
    if not told["saved"]:
        return _corrected(sheet, told)
    named = sheet.section in NAMED
    what = (
        f"{'Source' if sheet.section == 'source' else 'Cloud copy'} {sheet.name}" if named else ""
    )
    changed = cast("list[Mapping[str, str]]", told["changed"])
    labels = [setting_told.in_a_note(setting_told.change_in_words(sheet, each)) for each in changed]
    did = "added" if sheet.adding else "changed"
    return _done(f"{what or sheet.title} {did}: {'; '.join(labels)}.", told)


def _done(sentence: str, told: Mapping[str, Any]) -> ResponseReturnValue:
    the_box().note("settings", sentence)
    flash(f"{sentence} {_IN_USE.get(str(told.get('in_use')), '')}".strip())
    is_setting_up = request.args.get("then") == SETTING_UP
    return redirect(url_for("first_run.start" if is_setting_up else "settings.overview"))


def _try(sheet: Sheet) -> ResponseReturnValue:
    box = the_box()
    ask = box.try_source if sheet.section == "source" else box.try_cloud
    told = ask(sheet.name, sheet.wish)
    if told["problems"]:
        return _corrected(sheet, told)
    sheet.tried = told
    return _form(sheet)


def _trust(sheet: Sheet) -> ResponseReturnValue:
    """Believe exactly the key that was looked at."""
    if sheet.section != "source":
        abort(400)
    fingerprint = request.form.get("fingerprint", "")
    server = the_box().trust_source(sheet.name, sheet.wish, fingerprint)
    the_box().note("settings", f"The key of {server} was confirmed: {fingerprint}.")
    return _try(sheet)


@room.errorhandler(ApplianceError)
def _in_trouble(error: ApplianceError) -> ResponseReturnValue:
    """Say in words why nothing can be shown."""
    sentence = plain(f"{error.message} {error.hint}".strip())
    return render_template("setting_trouble.html", sentence=sentence), 503
