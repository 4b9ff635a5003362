"""nginx, lighttpd and Apache httpd with TLS: three web servers over one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.demo.authority import Authority, write_private
from appliance.demo.servers import free_port, https, serving
from appliance.system import process

from .account import PASSWORD, USER, hashed, unprivileged


@dataclass(frozen=True, slots=True)
class Web:
    """A running web server. All of it shows the same folder.

    `/open/` to everybody; `/basic/` with a password; `/packed/` packs with gzip, asked or not;
    `/moved/` sends to `/open/`.
    """

    port: int
    ca_file: Path
    host: str = "localhost"
    user: str = USER
    password: str = PASSWORD
    knows_what_it_packed: bool = True
    """Whether it says "unchanged" of `/packed/`: https://bz.apache.org/bugzilla/show_bug.cgi?id=45023"""

    def url(self, path: str, port: int | None = None) -> str:
        """Given `/open/file`, return the whole address, through another port where one is given."""
        return f"https://{self.host}:{port or self.port}{path}"


Start = Callable[[Path, Path, Authority], AbstractContextManager[Web]]
"""Given an empty folder for what it writes, the folder to serve and who signs, run a server."""


@contextmanager
def nginx(folder: Path, root: Path, authority: Authority) -> Iterator[Web]:
    """The demo's own nginx; it packs unasked behind itself, as behind a careless proxy."""
    port = free_port()
    extra = _NGINX.format(port=port, root=root)
    with https(folder, root, authority, port=port, extra=extra) as server:
        yield Web(port, server.ca_file, server.host, server.user, server.password)


_NGINX = """\
location /moved/ {{ rewrite ^/moved/(.*)$ /open/$1 redirect; }}
location /packed/ {{
    proxy_pass https://127.0.0.1:{port}/asked/;
    proxy_set_header Accept-Encoding gzip;
}}
location /asked/ {{
    alias "{root}/";
    gzip on;
    gzip_types text/csv;
    gzip_proxied any;
    gzip_http_version 1.0;
}}
"""


@contextmanager
def lighttpd(folder: Path, root: Path, authority: Authority) -> Iterator[Web]:
    """lighttpd, as small boxes have it; it may not take a file to be as it was a second ago."""
    port = free_port()
    pair = authority.issue(f"server-{port}")
    _write_users(folder)
    config = folder / "lighttpd.conf"
    names = {"folder": folder, "root": root, "port": port}
    config.write_text(_LIGHTTPD.format(cert=pair.certificate, key=pair.key, **names))
    argv = [process.find("lighttpd"), "-D", "-f", str(config)]
    with serving(unprivileged(argv), port):
        yield Web(port, authority.certificate)


def _write_users(folder: Path) -> None:
    write_private(folder / "users", f"{USER}:{hashed(PASSWORD)}\n".encode())


_LIGHTTPD = """\
server.modules = ("mod_auth", "mod_authn_file", "mod_setenv", "mod_redirect", "mod_alias",
                  "mod_deflate", "mod_openssl")
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{root}"
server.stat-cache-engine = "disable"
server.errorlog = "{folder}/error.log"
mimetype.assign = (".csv" => "text/csv", "" => "application/octet-stream")
ssl.engine = "enable"
ssl.pemfile = "{cert}"
ssl.privkey = "{key}"
alias.url = ("/open/" => "{root}/", "/basic/" => "{root}/", "/packed/" => "{root}/")
url.redirect = ("^/moved/(.*)" => "/open/$1")
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = "{folder}/users"
auth.require = ("/basic/" => ("method" => "basic", "realm" => "Office", "require" => "valid-user"))
deflate.allowed-encodings = ("gzip")
deflate.mimetypes = ("text/csv")
$HTTP["url"] =~ "^/packed/" {{ setenv.set-request-header = ("Accept-Encoding" => "gzip") }}
"""


@contextmanager
def apache(folder: Path, root: Path, authority: Authority) -> Iterator[Web]:
    """Apache httpd, with the modules that rented web space has."""
    port = free_port()
    pair = authority.issue(f"server-{port}")
    _write_users(folder)
    config = folder / "apache.conf"
    loads = "\n".join(f"LoadModule {each}_module {_MODULES}/mod_{each}.so" for each in _LOADED)
    names = {"folder": folder, "root": root, "port": port}
    text = _APACHE.format(loads=loads, cert=pair.certificate, key=pair.key, **names)
    config.write_text(text)
    argv = [process.find("apache2"), "-D", "FOREGROUND", "-f", str(config)]
    with serving(unprivileged(argv), port):
        yield Web(port, authority.certificate, knows_what_it_packed=False)


_MODULES = "/usr/lib/apache2/modules"
_LOADED = (
    *("mpm_event", "ssl", "mime", "alias", "env", "setenvif", "filter", "deflate"),
    *("authn_core", "authn_file", "authz_core", "authz_user", "auth_basic"),
)
_APACHE = """\
{loads}
ServerRoot "{folder}"
DefaultRuntimeDir "{folder}"
ServerName localhost
Listen 127.0.0.1:{port}
PidFile "{folder}/pid"
ErrorLog "{folder}/error.log"
TypesConfig /dev/null
AddType text/csv .csv
StartServers 1
ThreadsPerChild 4
MinSpareThreads 1
MaxRequestWorkers 8
SSLEngine on
SSLCertificateFile "{cert}"
SSLCertificateKeyFile "{key}"
Alias /open/ "{root}/"
Alias /basic/ "{root}/"
Alias /packed/ "{root}/"
RedirectMatch 302 ^/moved/(.*)$ /open/$1
<Directory "{root}">
    Require all granted
</Directory>
<Location /basic/>
    AuthType Basic
    AuthName Office
    AuthBasicProvider file
    AuthUserFile "{folder}/users"
    Require valid-user
</Location>
<Location /packed/>
    SetEnv force-gzip 1
    SetOutputFilter DEFLATE
</Location>
"""

ALL: dict[str, Start] = {"nginx": nginx, "lighttpd": lighttpd, "Apache": apache}
