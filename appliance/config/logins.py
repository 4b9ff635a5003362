"""How a source shows a web server who we are: the tables `auth` may be."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .section import Section
from .values import Days, Redirect, SecretName, Url

Grant = Literal[
    "client_credentials",
    "refresh_token",
    "password",
    "jwt_bearer",
    "device_code",
    "authorization_code",
]
NEEDED = {
    "client_credentials": ("client_secret",),
    "refresh_token": ("refresh_token",),
    "password": ("user", "password"),
    "jwt_bearer": ("private_key",),
    "device_code": ("device_url",),
    "authorization_code": ("authorize_url",),
}
"""What each grant cannot do without."""
_OURS = frozenset(
    {
        "assertion",
        "client_id",
        "client_secret",
        "code",
        "code_challenge",
        "code_challenge_method",
        "code_verifier",
        "device_code",
        "grant_type",
        "password",
        "redirect_uri",
        "refresh_token",
        "response_type",
        "scope",
        "state",
        "username",
    }
)
"""Fields that the box fills in; a secret among them would stand in the file in clear."""


class NoAuth(Section):
    """Nothing is asked."""

    kind: Literal["none"] = "none"


class BasicAuth(Section):
    """User name and password."""

    kind: Literal["basic"]
    user: str
    password: SecretName


class BearerAuth(Section):
    """A token in the Authorization header."""

    kind: Literal["bearer"]
    token: SecretName


class HeaderAuth(Section):
    """A key in a header of the vendor's own."""

    kind: Literal["header"]
    name: str
    value: SecretName


class QueryAuth(Section):
    """A key in the address."""

    kind: Literal["query"]
    name: str
    value: SecretName


class OAuth2Auth(Section):
    """A token that the vendor's sign-in server gives for each pull."""

    kind: Literal["oauth2"]
    grant: Grant
    token_url: Url
    client_id: str
    client_secret: SecretName | None = None
    client_auth: Literal["basic", "body"] = "basic"
    scope: str = ""
    scheme: str = "Bearer"
    """The word before the token."""
    cookie: str = ""
    """The name of a cookie that carries the token too."""
    extra: dict[str, str] = Field(default_factory=dict)
    """Further fields of each question for a token."""
    refresh_token: SecretName | None = None
    user: str = ""
    password: SecretName | None = None
    private_key: SecretName | None = None
    subject: str = ""
    """Of grant jwt_bearer: as whom."""
    audience: str = ""
    """Of grant jwt_bearer: to whom it is said, token_url where nothing is; of others a field."""
    key_id: str = ""
    authorize_url: Url | None = None
    authorize_extra: dict[str, str] = Field(default_factory=dict)
    """Further parameters of the link that a person opens."""
    redirect: Redirect = "http://127.0.0.1:8400/"
    """Where the vendor sends that person afterwards; the same stands in the vendor's screens."""
    device_url: Url | None = None
    sign_in_lasts: Days | None = None
    """How long a sign-in holds at a vendor that does not say it: since the person signed in."""
    sign_in_idle: Days | None = None
    """The same since it was used last."""

    @model_validator(mode="after")
    def _has_what_its_grant_needs(self) -> Self:
        for needed in NEEDED[self.grant]:
            if not getattr(self, needed):
                raise ValueError(f"grant {self.grant} needs {needed}")
        for name, given in (("extra", self.extra), ("authorize_extra", self.authorize_extra)):
            if ours := sorted(_OURS.intersection(given)):
                raise ValueError(f"{name} must not have {ours[0]}: it has a key of its own")
        return self


CardDavAuth = Annotated[
    NoAuth | BasicAuth | BearerAuth | HeaderAuth | OAuth2Auth,
    Field(discriminator="kind"),
]
"""A key in the address would have to be put behind each one that the server tells."""
Auth = Annotated[
    NoAuth | BasicAuth | BearerAuth | HeaderAuth | QueryAuth | OAuth2Auth,
    Field(discriminator="kind"),
]

KINDS: dict[str, type[Section]] = {
    "none": NoAuth,
    "basic": BasicAuth,
    "bearer": BearerAuth,
    "header": HeaderAuth,
    "query": QueryAuth,
    "oauth2": OAuth2Auth,
}
