"""How a source shows a web server who we are: the tables `auth` may be."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .section import Section
from .values import SecretName, Url


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
    """A token fetched for each pull."""

    kind: Literal["oauth2"]
    grant: Literal["client_credentials", "refresh_token"]
    token_url: Url
    client_id: str
    client_secret: SecretName | None = None
    refresh_token: SecretName | None = None
    scope: str = ""
    client_auth: Literal["basic", "body"] = "basic"

    @model_validator(mode="after")
    def _has_what_its_grant_needs(self) -> Self:
        needed = "refresh_token" if self.grant == "refresh_token" else "client_secret"
        if getattr(self, needed) is None:
            raise ValueError(f"grant {self.grant} needs {needed}")
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
