"""What to click in a CRM to load records back, and where it keeps what was deleted a while ago.

Sources, read in November 2026: knowledge.hubspot.com/records/restore-deleted-records,
support.pipedrive.com/en/article/restore-data, help.zoho.com (CRM, Recycle Bin); the manuals of Odoo
(Essentials, Export and import data), EspoCRM (Administration, Import) and SuiteCRM (User Interface,
Importing Records); of Salesforce's Data Import Wizard what others wrote down of its screens. Nobody
of us has clicked through them. Screens change; the order of loading does not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Importer:
    """One CRM: how to look into its bin first, and how to import a file."""

    name: str
    bin: str
    """Empty where it has none that an office reaches."""
    steps: tuple[str, ...]
    ids: str
    """What becomes of the records' own ids."""


IMPORTERS = (
    Importer(
        "Salesforce",
        "App Launcher → Recycle Bin → Org Recycle Bin: 15 days. What comes from there keeps its id "
        "and all its links.",
        (
            "Accounts, contacts, leads, own objects: Setup → Data Import Wizard, 50,000 a file.",
            "Opportunities, cases, products and larger files: the program Data Loader, Insert.",
            "Choose “Add new records” and the character code that stands beside the file.",
        ),
        "A new record gets a new id. Keep the old one in a text field of your own that is marked "
        "“External ID”, and match by it when you load the next file.",
    ),
    Importer(
        "HubSpot",
        "CRM → Contacts → Actions → Restore records: 90 days.",
        (
            "CRM → Contacts → Import → Start an import → the file from this computer.",
            "Say which object it is; several at once need a column that both files have.",
            "Map each column; leave “Record ID” out where the record is gone.",
        ),
        "A new record gets a new Record ID. Companies are known again by their domain, contacts "
        "by their e-mail address.",
    ),
    Importer(
        "Zoho CRM",
        "Setup → Data Administration → Recycle Bin: 60 days.",
        (
            "Setup → Data Administration → Import → From file, and the module.",
            "Choose “Add as new records”; to repair values “Update existing records” by the id.",
            "Character encoding as it stands beside the file; map each column.",
        ),
        "A new record gets a new id. Map the old one to a field of your own to find links again.",
    ),
    Importer(
        "Pipedrive",
        "Any list → ⋯ → Restore data: 30 days.",
        (
            "Tools and apps → Import data → From a spreadsheet, up to 50,000 rows and 50 MB.",
            "Drag each column onto its field: organizations, people, deals may come in one file.",
            "Choose how duplicates are found before you finish.",
        ),
        "A new item gets a new ID; people find their organization by its name.",
    ),
    Importer(
        "Odoo",
        "Filter “Archived” in the list: what was archived and not deleted comes back by "
        "Action → Unarchive.",
        (
            "The list of that kind → the gear or Favorites → Import records → Upload data file.",
            "Encoding and separator as they stand beside the file; press Test before Import.",
            "An empty cell empties the field: leave columns out that you do not want back.",
            "Further lines of a record (its addresses, its order lines) stay below it.",
        ),
        "A column called “id” or “External ID” keeps the ids: records are updated, not doubled.",
    ),
    Importer(
        "SuiteCRM",
        "",
        (
            "The module → Actions → Import → the file.",
            "Choose “Create new records and update existing records”.",
            "“View Import File Properties”: encoding and delimiter as they stand beside the file.",
            "Let it check for duplicates by ID, then “Import Now”; “Undo Import” takes it back.",
        ),
        "Map the column id to ID: the records come back under their own ids, and links with them.",
    ),
    Importer(
        "EspoCRM",
        "",
        (
            "Administration → Import → the entity type and the file; “Create Only”.",
            "It takes UTF-8 alone: save a file anew where another encoding stands beside it.",
            "Field delimiter as it stands beside the file; look at the preview before “Next”.",
            "“Revert Import” removes what was created; what was updated it does not undo.",
        ),
        "Links to other records are matched by name or by id: load those first.",
    ),
)
