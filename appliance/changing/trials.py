"""Tries what somebody is about to set: who answers there, what it would take, whether a cloud keeps
what it is sent.

Part of the rim. Each try is a child process that ends, within a minute; one at a time.
"""

from __future__ import annotations

import base64
import secrets as randomness
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta

from ..box import Box
from ..config import AnySource, InboxSource, SftpSource
from ..core.errors import ApplianceError, Cancelled, ConfigError, MirrorUnreachable
from ..core.ports import Watch
from ..mirrors.rclone import RcloneMirror
from ..sign_ins import token_name
from ..source_settings import Supplies, source_settings
from ..sources.child import ChildSource
from ..sources.hostkeys import HostKey, pin
from ..system.files import make_private, write_durably
from ..system.process import Limits
from ..system.secrets import Secrets
from . import forms
from .desk import Desk
from .proposals import CLOUDS, Proposal, settings_of

WITHIN = timedelta(seconds=45)
_PATIENCE = {"connect_seconds": 10.0, "idle_seconds": 20.0}
_BUSY = "Another test is under way. Try again in a minute."
_CLOUD_BUSY = "The cloud did not answer within a minute."
_NEVER_SEEN = (
    "The server shows another key than the one you looked at; it was not confirmed. Test the "
    "connection again."
)


class Trials:
    """Tries settings of one box, saved ones or such as are still in the form."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._one = threading.Lock()

    def source(self, box: Box, name: str, wish: forms.Wish) -> Mapping[str, object]:
        """Look at a source; return what was seen, or what is wrong with the form."""
        proposal = self._desk.propose("source", name, wish)
        if (problems := _in_the_form(proposal)) is not None:
            return {"problems": problems}
        section = settings_of(proposal.text).source_named(name)
        with self._alone():
            try:
                typed = _Typed(box.secrets, proposal)
                sight, error = self._look(box, section, typed, proposal)
            finally:
                self._take_back(box.secrets, proposal, wish)
        sight.pop("blob")
        told = {"message": error.message, "hint": _for_the_page(error)} if error else None
        return {"problems": [], "sight": sight, "error": told}

    def confirm(self, box: Box, name: str, wish: forms.Wish, fingerprint: str) -> str:
        """Believe an SFTP server's key from now on, where it still shows exactly this one.

        Return the server's name; raise SourceUnreachable or ApplianceError.
        """
        section = settings_of(self._desk.propose("source", name, wish).text).source_named(name)
        if not isinstance(section, SftpSource) or section.host_key:
            raise ApplianceError("The key of this server stands in the file; change it there.")
        stranger = section.model_copy(update={"password": None, "key": None, "key_file": None})
        with self._alone():
            sight, error = self._look(box, stranger, box.secrets)
        if sight["fingerprint"] != fingerprint:
            raise error if error and not sight["fingerprint"] else ApplianceError(_NEVER_SEEN)
        blob = base64.b64decode(str(sight["blob"]))
        key = HostKey(section.host, section.port, str(sight["proof"]), blob)
        make_private(box.state)
        pin(box.known_hosts, key, _today(box))
        return key.place

    def cloud(self, box: Box, name: str, wish: forms.Wish) -> Mapping[str, object]:
        """Write, read and try to destroy a small object of ours with an account."""
        proposal = self._desk.propose("mirror", name, wish)
        if (problems := _in_the_form(proposal)) is not None:
            return {"problems": problems}
        with self._alone(), self._mirror(box, name, wish, proposal) as mirror:
            return {"problems": [], **_kept(mirror)}

    def _look(
        self, box: Box, section: AnySource, secrets: Secrets, proposal: Proposal | None = None
    ) -> tuple[dict[str, object], ApplianceError | None]:
        supplies = Supplies(secrets, box.known_hosts, 0)
        settings = source_settings(section, supplies)
        if proposal is not None and "sign_in_of" in settings and _is_new(section, proposal):
            settings["sign_in_of"] = {}
        if not isinstance(section, InboxSource):
            settings |= _PATIENCE
        child = ChildSource(section.name, section.type, settings, Limits(total=WITHIN))
        return child.look(Watch())

    def _take_back(self, store: Secrets, proposal: Proposal, wish: forms.Wish) -> None:
        """A vendor may replace a sign-in when it is used: the form goes on with the new one, and
        what is not saved does not stay in the store.
        """
        for name in {*proposal.secrets} & {*store.own_names()}:
            for mark in wish.values():
                if self._desk.drafts.read(mark) == proposal.secrets[name]:
                    self._desk.drafts.correct(mark, store.get(name))
            store.remove(name)

    @contextmanager
    def _mirror(
        self, box: Box, name: str, wish: forms.Wish, proposal: Proposal
    ) -> Iterator[RcloneMirror]:
        """Lend the mirror as it would be; what was pasted lies in a file only meanwhile."""
        section = settings_of(proposal.text).mirror_named(name)
        if not proposal.accounts:
            yield box.mirror(section)
            return
        (text,) = proposal.accounts.values()
        path = box.state / CLOUDS / f".{randomness.token_hex(8)}.conf"
        make_private(path.parent)
        write_durably(path, text.encode(), 0o600)
        try:
            yield box.mirror(section.model_copy(update={"rclone_config": path}))
            self._desk.drafts.correct(wish["account"], path.read_text(encoding="utf-8"))
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._one.acquire(blocking=False):
            raise ApplianceError(_BUSY)
        try:
            yield
        finally:
            self._one.release()


def _in_the_form(proposal: Proposal) -> list[dict[str, str]] | None:
    """Return what keeps us from trying; what is missing elsewhere in the file does not."""
    if any(each["field"] for each in proposal.problems):
        return proposal.problems
    try:
        settings_of(proposal.text)
    except ConfigError:
        return proposal.problems
    return None


def _is_new(section: AnySource, proposal: Proposal) -> bool:
    """Return whether what a source signs in with was typed and is not saved: how that goes says
    nothing of the sign-in that is. A stored token is used by one at a time in any case.
    """
    return bool(proposal.secrets) and token_name(section) in ("", *proposal.secrets)


class _Typed(Secrets):
    """The store, and what was typed and is not in it yet."""

    def __init__(self, store: Secrets, proposal: Proposal) -> None:
        super().__init__(store.folder)
        self._store, self._typed = store, proposal.secrets

    def get(self, name: str) -> str:
        return self._typed.get(name) or self._store.get(name)


def _kept(mirror: RcloneMirror) -> dict[str, object]:
    cancel = threading.Event()
    timer = threading.Timer(WITHIN.total_seconds(), cancel.set)
    timer.start()
    try:
        return {"keeps": mirror.keeps_what_it_got(Watch(cancel=cancel)), "error": None}
    except Cancelled:
        error: ApplianceError = MirrorUnreachable(_CLOUD_BUSY)
    except ConfigError:
        raise
    except ApplianceError as wrong:
        error = wrong
    finally:
        timer.cancel()
    return {"keeps": None, "error": {"message": error.message, "hint": error.hint}}


def _for_the_page(error: ApplianceError) -> str:
    """A command is no help to somebody who looks at the page."""
    return "" if "`appliance " in error.hint else error.hint


def _today(box: Box) -> date:
    return box.clock.now().astimezone(box.zone).date()
