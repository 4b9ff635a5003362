"""All vendors; who writes another one adds it here, and the traps and rounds find it."""

from __future__ import annotations

from .close import Close
from .dataverse import Dataverse
from .hubspot import HubSpot
from .odoo import Odoo, OdooJson
from .pipedrive import Pipedrive
from .salesforce import Salesforce, SalesforceWeekly
from .vendor import Vendor
from .zoho import Zoho, ZohoBackup

KINDS: tuple[type[Vendor], ...] = (
    Salesforce,
    SalesforceWeekly,
    HubSpot,
    Zoho,
    ZohoBackup,
    Pipedrive,
    Dataverse,
    Odoo,
    OdooJson,
    Close,
)
