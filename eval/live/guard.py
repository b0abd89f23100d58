"""Guard: which requests a live page answers.

A page of another site, open in the same browser, can send requests to this machine; a name that its owner
points at 127.0.0.1 makes them look like the page's own (DNS rebinding). So `Host` must be an address or a
name of this machine, a websocket's `Origin` must be the page itself, and whoever connects over the network
needs a token.
"""

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from ...common.errors import InputError
from ...common.loopback import is_loopback

COOKIE = "vla_live"


@dataclass(frozen=True)
class Guard:
    """Rules for one address that is listened on."""

    host: str
    token: str | None = field(default=None, repr=False)
    """Secret that a page must send; None: anybody on this machine may connect."""

    @staticmethod
    def of(host: str) -> "Guard":
        """Builds a guard with a new token, unless `host` is this machine's loopback address.

        Raises:
            ValueError: `host` is empty, which would mean every address.
        """
        if not host:
            raise InputError("host must be an address or a name, such as 127.0.0.1 or 0.0.0.0")
        return Guard(host, None if is_loopback(host) else secrets.token_urlsafe(24))

    def refuses_host(self, header: str | None) -> str:
        """Reason to refuse a `Host` header; empty if there is none."""
        name = _name(header)
        if name is None:
            return "the request has no valid Host"
        if self.token is None:
            known = is_loopback(name)
        else:
            known = _is_address(name) or name in {"localhost", self.host, socket.gethostname().lower()}
        return "" if known else "the request asks for another host"

    def refuses_origin(self, origin: str | None, host: str | None) -> str:
        """Reason to refuse a websocket's `Origin`; empty if it is the page itself."""
        parts = urlsplit(origin or "")
        same = (
            parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == (host or "").lower()
        )
        return "" if same else "the connection comes from another page"

    def admits(self, target: str, cookie: str | None) -> bool:
        """Whether a request knows the token: in its address or, later on, in its cookie."""
        if self.token is None:
            return True
        asked = parse_qs(urlsplit(target).query).get("token", [""])[0]
        return _same(asked, self.token) or _same(_cookie(cookie), self.token)

    @property
    def set_cookie(self) -> str | None:
        """Header that makes a browser remember the token, for this page alone."""
        return None if self.token is None else f"{COOKIE}={self.token}; Path=/; HttpOnly; SameSite=Strict"


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(), b.encode())


def _cookie(header: str | None) -> str:
    try:
        found = SimpleCookie(header or "").get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _name(header: str | None) -> str | None:
    try:
        parts = urlsplit(f"//{header or ''}")
        parts.port  # noqa: B018  # raises for one that is none
    except ValueError:
        return None
    plain = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return parts.hostname if plain and parts.hostname else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
