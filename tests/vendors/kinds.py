"""All vendors; who writes another one adds it here, and the traps and rounds find it."""

from __future__ import annotations

from .addressbooks import Nextcloud, Radicale
from .civicrm import CiviCrm
from .close import Close
from .dataverse import Dataverse
from .espocrm import EspoCrm, EspoCrmExport
from .freshsales import Freshsales
from .google import Google
from .hubspot import HubSpot
from .insightly import Insightly
from .odoo import Odoo, OdooJson
from .pipedrive import Pipedrive
from .salesforce import Salesforce, SalesforceWeekly
from .signed_link import SignedLink
from .sugarcrm import SugarCrm
from .suitecrm import SuiteCrm
from .vendor import Vendor
from .vtiger import VTiger
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
    SuiteCrm,
    SugarCrm,
    EspoCrm,
    EspoCrmExport,
    CiviCrm,
    VTiger,
    Freshsales,
    Insightly,
    Google,
    Nextcloud,
    Radicale,
    SignedLink,
)
