"""What each setting is called on the page, and the sentence that helps with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Words:
    """A field's name and its help."""

    label: str
    help: str = ""


KINDS: Mapping[str, Words] = MappingProxyType(
    {
        "sftp": Words("A folder on a server (SFTP)", "Most vendors put exports there at night."),
        "http": Words("A web address", "One file that is fetched over https."),
        "carddav": Words(
            "An address book (CardDAV)",
            "The contacts of an account: iCloud, Nextcloud, a mailbox that has address books.",
        ),
        "inbox": Words("An inbox", "A folder on the box: what somebody saves there is backed up."),
    }
)
LOGINS: Mapping[str, str] = MappingProxyType(
    {
        "none": "no login",
        "basic": "user name and password",
        "bearer": "a token",
        "header": "a key in a header of the vendor's own",
        "query": "a key in the address",
        "oauth2": "an app's id and secret (OAuth 2)",
        "person": "somebody signs in at the vendor's (OAuth 2)",
        "body": "in the body",
    }
)
TITLES: Mapping[str, Words] = MappingProxyType(
    {
        "appliance": Words(
            "Name and time zone", "What the box is called, and whose clock it keeps."
        ),
        "source": Words("Where exports come from", "Each is fetched by its own schedule."),
        "retention": Words("How long backups are kept", "Old ones make room for new ones."),
        "mirror": Words("Copies in the cloud", "A copy that survives fire and theft."),
        "disks": Words("Disks that take turns", "When to be reminded, and what may be lost."),
        "messages": Words("Messages", "Who hears of it when a person is needed."),
        "panel": Words("Lamps and button", "Which pins they are on. They are changed in the file."),
    }
)
_SCHEDULE = {
    "schedule": Words("When"),
    "grace": Words(
        "Late after", "So long after its time a missing backup is “getting old”: 6h, 2d."
    ),
}
_STABLE = Words("Still for", "A file counts as whole when it has not changed for so long: 2m, 30s.")
_PICK = Words("Which files", "One pattern on each line: *.zip. The star stands for anything.")
_LOGIN = {
    "auth.kind": Words("Login"),
    "auth.user": Words("User name"),
    "auth.password": Words("Password"),
    "auth.token": Words("Token"),
    "auth.name": Words("Name of the header, or in the address", "As the vendor calls it."),
    "auth.value": Words("Key"),
    "auth.authorize_url": Words(
        "Address where people sign in", "It begins with https://. The vendor names it."
    ),
    "auth.device_url": Words(
        "Address for codes that are typed",
        "Only where the vendor has that: then nobody has to paste anything.",
    ),
    "auth.redirect": Words(
        "Address to come back to",
        "The app in the vendor's screens has the very same; nothing has to answer there.",
    ),
    "auth.token_url": Words("Address of the sign-in server", "It begins with https://."),
    "auth.client_id": Words("Id of the app"),
    "auth.client_secret": Words("Secret of the app"),
    "auth.scope": Words("Scope", "Only where the vendor wants one."),
    "auth.client_auth": Words("How id and secret are sent"),
}
_SOURCES: Mapping[str, Mapping[str, Words]] = {
    "sftp": {
        "host": Words("Server", "Its name, such as crm.example.org."),
        "port": Words("Port", "22 where nobody told you another one."),
        "user": Words("User name"),
        "password": Words("Password", "A password or a private key is needed; a key is safer."),
        "key": Words("Private key", "The whole text, from BEGIN to END."),
        "key_passphrase": Words("Passphrase of the key", "Only where the key has one."),
        "path": Words("Folder", "On the server; a dot is where one lands after signing in."),
        "pick": _PICK,
        "newest": Words(
            "How many files", "The newest so many; 0 takes all that were not taken yet."
        ),
        "stable_for": _STABLE,
    },
    "http": {
        "url": Words("Address", "It begins with https://."),
        **_LOGIN,
        "hosts": Words(
            "Further servers", "Where the file may lie, one on each line; no login is sent."
        ),
        "credential_hosts": Words("Further servers that may see the login", "One on each line."),
        "file_name": Words("Name of the file", "Instead of the one that the server gives."),
    },
    "carddav": {
        **_LOGIN,
        "url": Words(
            "Address",
            "Of the server, the account or one address book: https://contacts.icloud.com/.",
        ),
        "auth.password": Words(
            "Password", "Apple and Nextcloud want one made for apps alone, in their own settings."
        ),
        "hosts": Words(
            "Further servers",
            "Where the address books may lie, one on each line; they see the login.",
        ),
        "collections": Words(
            "Which address books", "One name on each line; the star stands for anything."
        ),
    },
    "inbox": {
        "path": Words("Folder", "On the box, below /srv: /srv/inbox."),
        "pick": _PICK,
        "stable_for": _STABLE,
        "keep_done": Words("Kept in done/ for", "What was backed up lies there so long: 30d."),
        "link_hosts": Words(
            "Servers that links may lead to",
            "One on each line: *.zoho.com. What a download link or a mailed notice in the inbox "
            "leads to is fetched then. Left empty, no link is followed.",
        ),
        "links_last": Words(
            "How long such links work", "Where the vendor says so: 7d. It is counted down then."
        ),
    },
}
_SECTIONS: Mapping[str, Mapping[str, Words]] = {
    "appliance": {
        "name": Words("Name of the box"),
        "timezone": Words("Time zone", "Such as Europe/Berlin."),
    },
    "retention": {
        "last": Words("The newest", "So many always stay, whatever their age."),
        "daily": Words("One of each day, for so many days"),
        "weekly": Words("One of each week, for so many weeks"),
        "monthly": Words("One of each month, for so many months"),
        "yearly": Words("One of each year, for so many years"),
        "at_most": Words(
            "No backup gets older than",
            "Whatever the numbers above say: 400d, for a promise to your customers. Left empty, "
            "there is no end.",
        ),
    },
    "disks": {
        "remind": Words("When to be reminded of the disk that is away"),
        "grace": Words("How much may be lost", "A disk may be away so long: 14d is two weeks."),
    },
    "messages": {
        "address": Words(
            "One more address",
            "Such as mailtos://user:password@smtp.example.org/?to=boss@shop.example, or "
            "ntfys://ntfy.sh/topic. It is never shown again.",
        ),
        "weekly": Words(
            "When to say that all is well", "Where it does not come, the box itself needs you."
        ),
        "quiet": Words(
            "Quiet hours",
            "22:00-07:00: only what cannot wait is said then: customers are gone, a disk fails.",
        ),
    },
    "mirror": {
        "repository": Words("Which disk is copied"),
        "account": Words("Account", "Paste what this command prints where the account works:"),
        "folder": Words("Bucket and folder", "Such as office-backups/front."),
        "schedule": Words("When"),
        "bandwidth": Words("Speed", "Empty: all there is. 08:00,512k 19:00,off spares the day."),
        "expire": Words(
            "What the disk no longer has goes after", "90d; left empty it stays for ever."
        ),
    },
}
_PLAIN = {
    "a repository": "a disk",
    "no repository": "no disk",
    "repository": "disk",
    "mirrored": "copied to the cloud",
    "a mirror": "a cloud copy",
    "mirror": "cloud copy",
    "rclone config show": "the command below",
}


def words_of(section: str, kind: str, key: str) -> Words:
    """Return what a field is called."""
    if key == "name" and section in ("source", "mirror"):
        return Words("Name", "Small letters, digits and hyphens: crm-nightly. It stays for ever.")
    table = {**_SOURCES.get(kind, {}), **_SCHEDULE} if section == "source" else _SECTIONS[section]
    return table.get(key, Words(key))


def plain(message: str) -> str:
    """Return what the worker says of the file in the words of the page."""
    for ours, theirs in _PLAIN.items():
        message = message.replace(ours, theirs)
    return message
