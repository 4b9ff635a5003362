"""What one row of the demo's CRM looks like: names, numbers and texts that trip careless code.

Phones begin with + or 0, texts hold quotes, commas and line breaks, dates come as ISO and as
they are written locally, post codes lead with zeros. A row follows from seed, table and number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words("""
    Anna Bärbel Carlos Dörte Émile Fatima Grzegorz Hanna Ingo Jürgen Katarína Lars Märta Noël
    Olga Paweł Quentin Renée Søren Tomáš Ute Valérie Wiebke Xaver Yasemin Zoë Nguyễn Müşerref
    Agnieszka""")
_LAST = _words("""
    Müller Schmidt O'Neill Größe Ångström García Łukasz Weiß Çelik Đorđević Fernández Højgaard
    Kowalski Lindqvist Møller Nowak Özdemir Petrović Quispe Rößler Santos Thörner Urquiza
    Vögeli Wójcik Yürük Zürn Bäcker Köhler d'Arcy""")
_PLACES = (
    ("01067", "Dresden"),
    ("04109", "Leipzig"),
    ("20095", "Hamburg"),
    ("50667", "Köln"),
    ("80331", "München"),
    ("90402", "Nürnberg"),
    ("06108", "Halle (Saale)"),
    ("8001", "Zürich"),
    ("1010", "Wien"),
    ("00-001", "Warszawa"),
    ("D02 X285", "Dublin"),
)
_TRADES = _words("""
    Dachbau Elektrik Gärtnerei Optik Bäckerei Spedition Tischlerei Reisen Werbung Pflege""")
_FORMS = ("GmbH", "KG", "e. K.", "AG", "GmbH & Co. KG", "Ltd.", "Sp. z o.o.")
_STREETS = (
    "Hauptstraße",
    "Am Mühlgraben",
    "Bahnhofstr.",
    "Lindenallee",
    "Rue de l'Église",
    "Gänsemarkt",
)
_SOURCES = ("Web form", "Trade fair", "Recommendation", "Cold call", "Advertisement", "Partner")
_STAGES = (
    "Qualification",
    "Needs analysis",
    "Proposal",
    "Negotiation",
    "Closed won",
    "Closed lost",
)
_OWNERS = ("Petra Hübner", "Jonas Weiß", "Ayşe Demir", "Tom O'Brien")
_WORDS = _words("""
    customer asked for a new offer with delivery before Easter and wants to pay in two parts the
    old contract ends soon please call back after the holiday they compare us with another firm
    interested in service larger machine spare parts training invoice was sent twice meeting went
    well decision next week budget not yet clear said "maybe" sent brochure by post, no answer""")
_START = datetime(2022, 1, 3, 7, 0, tzinfo=UTC)
_YEARS = timedelta(days=4 * 365)


@dataclass(frozen=True, slots=True)
class Kind:
    """One table: its columns, how a row is first filled, what of it changes later."""

    name: str
    columns: tuple[str, ...]
    rows_at_scale_1: int
    fill: Callable[[Random, int], list[str]]
    changes: tuple[tuple[str, Callable[[Random], str]], ...]


def record_id(kind: int, number: int) -> str:
    """Given table and number, return an id as the large vendors write them."""
    return f"zcrm_{48_768_760 + kind}{number:011d}"


def stamp(moment: datetime) -> str:
    """Given a time, return it as the vendor writes it: ISO with an offset."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}+01:00"


def _moment(rng: Random) -> datetime:
    return _START + _YEARS * rng.random()


def _stamps(rng: Random) -> list[str]:
    created, modified = sorted((_moment(rng), _moment(rng)))
    return [stamp(created), stamp(modified)]


def _local_date(rng: Random) -> str:
    return f"{_moment(rng):%d.%m.%Y}"


def _pick(options: Sequence[str], rng: Random) -> str:
    return options[int(rng.random() * len(options))]


def _phone(rng: Random) -> str:
    number = int(rng.random() * 9e8 + 1e8)
    return f"+49 {number % 900 + 100} {number // 100}" if number % 3 else f"0{number // 7}"


def _email(first: str, last: str, rng: Random) -> str:
    plain = (first + "." + last).lower().encode("ascii", "ignore").decode().replace("'", "")
    return f"{plain}{int(rng.random() * 999)}@example.{_pick(('org', 'com', 'net'), rng)}"


def _company(rng: Random) -> str:
    return f"{_pick(_LAST, rng)} {_pick(_TRADES, rng)} {_pick(_FORMS, rng)}"


def _text(rng: Random, least: int, most: int) -> str:
    start, length = rng.random(), least + int(rng.random() * (most - least))
    words = [_pick(_WORDS, rng) for _ in range(length)]
    if start < 0.2:
        words.insert(length // 2, "\n- ")
    return " ".join(words)


def _amount(rng: Random) -> str:
    return f"{rng.random() * 90_000 + 99:.2f}"


def _local_amount(rng: Random) -> str:
    return f"{rng.random() * 90_000 + 99:,.2f}".translate(str.maketrans(",.", ".,"))


def _address(rng: Random) -> list[str]:
    code, town = _PLACES[int(rng.random() * len(_PLACES))]
    return [f"{_pick(_STREETS, rng)} {int(rng.random() * 180) + 1}", code, town]


def _account(rng: Random, number: int) -> list[str]:
    name, site = _company(rng), f"https://www.firma-{number}.example.com"
    owner, description = _pick(_OWNERS, rng), _text(rng, 8, 26)
    money = [_local_amount(rng), str(int(rng.random() * 400))]
    return [name, site, _phone(rng), *_address(rng), *money, owner, *_stamps(rng), description]


def _contact(rng: Random, _number: int) -> list[str]:
    first, last = _pick(_FIRST, rng), _pick(_LAST, rng)
    reach = [_email(first, last, rng), _phone(rng), _phone(rng)]
    rest = [_local_date(rng), _pick(_OWNERS, rng), *_stamps(rng), _text(rng, 3, 22)]
    return [first, last, _company(rng), *reach, *_address(rng), _pick(_SOURCES, rng), *rest]


def _lead(rng: Random, _number: int) -> list[str]:
    first, last = _pick(_FIRST, rng), _pick(_LAST, rng)
    reach = [_email(first, last, rng), _phone(rng)]
    state = [_pick(_SOURCES, rng), _pick(("New", "Contacted", "Not qualified"), rng)]
    owner = _pick(_OWNERS, rng)
    return [first, last, _company(rng), *reach, *state, owner, *_stamps(rng), _text(rng, 6, 30)]


def _deal(rng: Random, number: int) -> list[str]:
    name = f"{_pick(_TRADES, rng)} {number}, {_pick(_WORDS, rng)}"
    money = [_amount(rng), _local_amount(rng), "EUR"]
    when = [_local_date(rng), str(int(rng.random() * 20) * 5)]
    stage, owner = _pick(_STAGES, rng), _pick(_OWNERS, rng)
    return [name, _company(rng), stage, *money, *when, owner, *_stamps(rng), _text(rng, 5, 24)]


def _note(rng: Random, number: int) -> list[str]:
    title, parent = f"Call {number}", record_id(1, int(rng.random() * 9000))
    return [parent, title, _text(rng, 30, 110), _pick(_OWNERS, rng), *_stamps(rng)]


_ADDRESS = ("Street", "Postal Code", "City")
_STAMPS = ("Created Time", "Modified Time")
_PERSON = ("First Name", "Last Name", "Company")

KINDS = (
    Kind(
        "Accounts",
        (
            "Record Id",
            "Account Name",
            "Website",
            "Phone",
            *_ADDRESS,
            "Annual Revenue",
            "Employees",
            "Account Owner",
            *_STAMPS,
            "Description",
        ),
        44_000,
        _account,
        (("Phone", _phone), ("Annual Revenue", _local_amount)),
    ),
    Kind(
        "Contacts",
        (
            "Record Id",
            *_PERSON,
            "Email",
            "Phone",
            "Mobile",
            *_ADDRESS,
            "Lead Source",
            "Birthday",
            "Contact Owner",
            *_STAMPS,
            "Description",
        ),
        111_000,
        _contact,
        (("Phone", _phone), ("Mobile", _phone), ("Company", _company)),
    ),
    Kind(
        "Leads",
        (
            "Record Id",
            *_PERSON,
            "Email",
            "Phone",
            "Lead Source",
            "Lead Status",
            "Lead Owner",
            *_STAMPS,
            "Description",
        ),
        67_000,
        _lead,
        (
            ("Lead Owner", partial(_pick, _OWNERS)),
            ("Description", partial(_text, least=6, most=30)),
        ),
    ),
    Kind(
        "Deals",
        (
            "Record Id",
            "Deal Name",
            "Account Name",
            "Stage",
            "Amount",
            "Amount (local)",
            "Currency",
            "Closing Date",
            "Probability (%)",
            "Deal Owner",
            *_STAMPS,
            "Description",
        ),
        67_000,
        _deal,
        (("Stage", partial(_pick, _STAGES)), ("Amount", _amount), ("Closing Date", _local_date)),
    ),
    Kind(
        "Notes",
        ("Record Id", "Parent Id", "Note Title", "Note Content", "Note Owner", *_STAMPS),
        36_000,
        _note,
        (("Note Content", partial(_text, least=30, most=110)),),
    ),
)
