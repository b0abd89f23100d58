"""Which addresses only this machine can connect to."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether `host`, an address or a name, is this machine's own and no network's. A name other than
    localhost is not: its owner decides what it points at."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
