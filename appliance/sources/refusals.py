"""The only home of what a vendor's no to a sign-in means to us.

What a sign-in server says may be an echo of what we sent: of its words only those get any further
that the standards know.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..core.errors import SourceRefused

ELSEWHERE = "Check `token_url` of this source: people open other addresses than the box does."
_AGAIN = "Sign in at the vendor's again."
_KNOWN: Mapping[str, tuple[str, str]] = {
    "invalid_grant": ("The vendor no longer accepts our sign-in.", _AGAIN),
    "invalid_code": ("The vendor no longer accepts our sign-in.", _AGAIN),
    "expired_token": ("Nobody said yes at the vendor's in time.", "Begin once more."),
    "access_denied": (
        "Somebody said no at the vendor's, or may not say yes.",
        "Sign in there as somebody who may let others see the data, and say yes.",
    ),
    "consent_required": (
        "The vendor wants an administrator to allow it first.",
        "Have an administrator of the CRM allow the app, then begin once more.",
    ),
    "invalid_client": (
        "The vendor does not know the app, or its secret is another one.",
        "Check client_id and client_secret of this source, and how they are sent (client_auth).",
    ),
    "unauthorized_client": (
        "The vendor does not let this app sign in this way.",
        "Allow it in the vendor's screens, or check client_id and `grant` of this source.",
    ),
    "unsupported_grant_type": (
        "The vendor does not know this way of signing in.",
        "Check `grant` and token_url of this source.",
    ),
    "unsupported_response_type": (
        "The vendor does not know this way of signing in.",
        "Check `grant` and authorize_url of this source.",
    ),
    "invalid_scope": (
        "The vendor does not give what `scope` asks for.",
        "Check `scope` of this source, and what the app may do in the vendor's screens.",
    ),
    "invalid_target": (
        "The vendor does not know for what the token is to be.",
        "Check `audience` and `extra` of this source.",
    ),
    "redirect_uri_mismatch": (
        "The vendor knows another address to come back to.",
        "Let the app in the vendor's screens have the very address that `redirect` has.",
    ),
    "server_error": ("The vendor has a fault of its own just now.", "Begin once more later."),
    "temporarily_unavailable": (
        "The vendor has a fault of its own just now.",
        "Begin once more later.",
    ),
}
"""RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5, RFC 8707, OpenID Connect 3.1.2.6, and
`invalid_code` of Zoho and `redirect_uri_mismatch` of Google."""
_PLAIN = frozenset({"invalid_request", "authorization_pending", "slow_down"})


def is_over(error: str) -> bool:
    """Return whether it says that what we signed in with is not accepted any more."""
    return error in ("invalid_grant", "invalid_code")


def known(error: str) -> str:
    """Return what somebody says is wrong, if it is one of the standard's words."""
    return error if error in _KNOWN or error in _PLAIN else ""


def is_a_fault(error: str) -> bool:
    """Return whether it says that only the vendor's server is not well just now."""
    return error in ("server_error", "temporarily_unavailable")


def refused(error: str, detail: str = "") -> SourceRefused:
    """Given the standard's word, return the error that says so in plain words."""
    message, hint = _KNOWN.get(
        error,
        (
            "The vendor's sign-in server says no.",
            "Check client_id, client_secret, scope and token_url of this source.",
        ),
    )
    return SourceRefused(message, hint=hint, detail=f"{detail}error {error or 'not named'}")
