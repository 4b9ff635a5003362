"""The only home of what a web server's answer means to us: statuses, waits, names, faults.

Sentences and details name hosts and numbers only: no address, header or body ever gets in.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import quote, quote_plus, unquote

from urllib3 import exceptions as faults

from ..core.errors import ApplianceError, ExportNotReady, SourceRefused, SourceUnreachable
from ..core.model import SeenFile
from .origins import Address

LONGEST_WAIT = timedelta(hours=1)
_SETTLED = timedelta(seconds=60)
_CLOCK = "Check that the date and time of this box are right"
_CERTIFICATE = {
    9: "is not valid yet",
    10: "has expired",
    18: "was signed by the server itself",
    19: "comes from an authority that this box does not know",
    20: "comes from an authority that this box does not know",
    21: "comes from an authority that this box does not know",
    62: "belongs to another server",
    64: "belongs to another server",
}
"""OpenSSL's X509_V_ERR_* numbers, from x509_vfy.h."""
_NOT_YET, _EXPIRED = 9, 10
_UNKNOWN = (18, 19, 20, 21)
_NEVER_SENT = (
    faults.NameResolutionError,
    faults.ConnectTimeoutError,
    faults.NewConnectionError,
)
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*(utf-8|iso-8859-1)'[^']*'([^;\s]+)", re.IGNORECASE)
_QUOTED_NAME = re.compile(r'filename\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_PLAIN_NAME = re.compile(r"filename\s*=\s*([^;\"]+)", re.IGNORECASE)


def refusal(status: int, headers: Mapping[str, str], host: str) -> ApplianceError:
    """Given a status that brings no export, return the error that says so."""
    error = _refusal(status, headers, host)
    error.nothing_done = 400 <= status < 500 and status != 408
    return error


def _refusal(status: int, headers: Mapping[str, str], host: str) -> ApplianceError:
    detail = f"HTTP status {status} from {host}"
    if status in (429, 503):
        wait = retry_after(headers)
        message = f"{host} asks us to come back later."
        return SourceUnreachable(message, detail=detail, retry_after=wait)
    if status in (408, 425) or status >= 500:
        return SourceUnreachable(f"{host} has a fault of its own just now.", detail=detail)
    if status in (202, 204, 205, 404, 409, 423):
        return _not_there(status, host, detail)
    if status in (401, 403, 407):
        message = f"{host} does not let us in."
        return SourceRefused(message, hint="Check the login of this source.", detail=detail)
    if status == 410:
        message = f"The export is gone from {host}."
        return SourceRefused(message, hint="Ask the vendor for its new address.", detail=detail)
    message = f"{host} did not accept our request."
    return SourceRefused(message, hint="Check the address of this source.", detail=detail)


def _not_there(status: int, host: str, detail: str) -> ExportNotReady:
    if status != 404:
        return ExportNotReady(f"{host} has no export ready.", detail=detail)
    return ExportNotReady(
        f"There is nothing at this address on {host}.",
        hint="Either the export is not made yet, or the address of this source is wrong.",
        detail=detail,
    )


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long the server wants us to wait, at most an hour; None where it does not say.

    A date is measured against the server's own Date: our clock may be wrong (RFC 9110, 10.2.3).
    Where there is no Retry-After, X-RateLimit-Reset says it: in seconds, or which second.
    """
    text = headers.get("Retry-After", "").strip() or headers.get("X-RateLimit-Reset", "").strip()
    if re.fullmatch(r"1[0-9]{9}", text):  # the second of the Unix epoch, as some have it
        text = format_datetime(datetime.fromtimestamp(int(text), UTC))
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(timedelta(seconds=int(text)), LONGEST_WAIT)
    until = date(text)
    if until is None:
        return None
    now = date(headers.get("Date", "")) or datetime.now(UTC)
    return max(timedelta(), min(until - now, LONGEST_WAIT))


def date(text: str) -> datetime | None:
    """Given a header's date, return it in UTC, None where it is none."""
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def strong_etag(headers: Mapping[str, str]) -> str:
    """Return the ETag where it vouches for every byte, else nothing (RFC 9110, 8.8.1)."""
    etag = headers.get("ETag", "")
    return etag if _ETAG.fullmatch(etag) and not etag.startswith("W/") else ""


def validator(headers: Mapping[str, str], home: Address) -> str:
    """Return what to remember so that "unchanged" can be asked for, bound to the address.

    Last-Modified counts only where it is a minute older than the answer: within the same second
    the file may have changed twice.
    """
    etag, modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
    if _ETAG.fullmatch(etag):
        return f"{_mark(home)} {etag}"
    then, now = date(modified), date(headers.get("Date", ""))
    if then and now and now - then >= _SETTLED:
        return f"{_mark(home)} {modified}"
    return ""


def condition(seen: Sequence[SeenFile], home: Address) -> dict[str, str]:
    """Given what earlier runs archived, newest first, return the headers that ask "changed?".

    Only the newest counts: an older version that came back is a change.
    """
    mark, _, known = (seen[0].validator if seen else "").partition(" ")
    if not known or mark != _mark(home):
        return {}
    return {"If-None-Match" if _ETAG.fullmatch(known) else "If-Modified-Since": known}


def _mark(home: Address) -> str:
    """Tell addresses apart without showing them: `"1"` is a popular ETag."""
    return hashlib.sha256(home.url.url.encode()).hexdigest()[:8]


def file_name(headers: Mapping[str, str], asked: Address, answered: Address) -> str:
    """Return the server's name for what it sent (RFC 6266), else the address's last part."""
    told = headers.get("Content-Disposition", "")
    if extended := _EXTENDED_NAME.search(told):
        return unquote(extended[2], encoding=extended[1], errors="replace")
    if quoted := _QUOTED_NAME.search(told):
        return _as_utf8(re.sub(r"\\(.)", r"\1", quoted[1]))
    if plain := _PLAIN_NAME.search(told):
        return _as_utf8(plain[1].strip())
    names = [(place.url.path or "").rpartition("/")[2] for place in (asked, answered)]
    return unquote(next((name for name in names if "." in name), names[0]) or "export")


def _as_utf8(text: str) -> str:
    """Headers are read as Latin-1; many servers simply write UTF-8."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def fault(error: Exception, host: str, hidden: Sequence[str] = ()) -> ApplianceError:
    """Given what a request ended with, return the error that says so in plain words."""
    told = _fault(error, host, hidden)
    told.nothing_done = _certificate_fault(error) is not None or isinstance(error, _NEVER_SENT)
    return told


def _fault(error: Exception, host: str, hidden: Sequence[str]) -> ApplianceError:
    certificate = _certificate_fault(error)
    if certificate is not None:
        return _distrusted(certificate, host)
    detail = redacted(f"{type(error).__name__}: {error}", hidden)[:300]
    if isinstance(error, faults.NameResolutionError):
        return SourceUnreachable(f"The name {host} is not known to the internet.", detail=detail)
    if isinstance(error, (faults.ConnectTimeoutError, faults.NewConnectionError)):
        return SourceUnreachable(f"{host} cannot be reached.", detail=detail)
    if isinstance(error, faults.ReadTimeoutError):
        return SourceUnreachable(f"{host} fell silent.", detail=detail)
    if isinstance(error, (faults.SSLError, ssl.SSLError)):
        return SourceUnreachable(f"No protected connection to {host} came about.", detail=detail)
    return SourceUnreachable(f"The connection to {host} broke off.", detail=detail)


def _certificate_fault(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    for cause in (error, *getattr(error, "args", ())):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause
    return None


def _distrusted(error: ssl.SSLCertVerificationError, host: str) -> ApplianceError:
    code = error.verify_code
    what = _CERTIFICATE.get(code, "cannot be trusted")
    message = f"The certificate of {host} {what}."
    detail = f"certificate error {code}: {error.verify_message}"
    if code == _NOT_YET:  # far more often our clock than theirs, and clocks get set
        return SourceUnreachable(message, hint=f"{_CLOCK}; it is tried again.", detail=detail)
    if code == _EXPIRED:
        hint = f"{_CLOCK}; if they are, tell whoever runs the server."
    elif code in _UNKNOWN:
        hint = "If it is your own server, name its authority's certificate as `ca_file`."
    else:
        hint = "Check the address of this source; somebody may be in between."
    return SourceRefused(message, hint=hint, detail=detail)


def redacted(text: str, hidden: Sequence[str]) -> str:
    """Return the text without the secrets, however an address may have them written."""
    forms = {form for secret in hidden for form in (secret, quote(secret, ""), quote_plus(secret))}
    for form in sorted(filter(None, forms), key=len, reverse=True):
        text = text.replace(form, "…")
    return text
