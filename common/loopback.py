"""Recognizes addresses that only this machine can connect to."""

import ipaddress


def is_loopback(host: str) -> bool:
    """True if `host`, an address or a name, belongs to this machine and not to a network. Names other than
    localhost do not count: their owners decide where they point."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
