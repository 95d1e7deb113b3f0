"""A server's address as it may be written into configs, messages and run folders: with no secret in it."""

from urllib.parse import urlsplit

from skillmix_lightning.errors import InputError


def check_address(base_url: str) -> None:
    """Refuses an address that cannot work or that may hold a secret. No message quotes one that may.

    Args:
        base_url: of a server, usually ending in /v1.

    Raises:
        InputError: it is no http:// or https:// address, or it has a user name, a password, a query or a fragment.
    """
    holds = [
        part
        for part, mark in {"a user name or password": "@", "a query": "?", "a fragment": "#"}.items()
        if mark in base_url
    ]
    if holds:
        raise InputError(
            f"base_url holds {' and '.join(holds)}, which may be a key; put the key into the variable api_key_env names"
        )
    try:
        address = urlsplit(base_url)
        works = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # a port or a host that is none
        works = False
    if not works or not base_url.isprintable() or " " in base_url:
        raise InputError(f"base_url {base_url!r} is no http:// or https:// address")
