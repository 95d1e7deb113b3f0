"""Addresses, and what must not be in them."""

import pytest

from skillmix_lightning.endpoint.address import check_address
from skillmix_lightning.errors import InputError


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.openai.com/v1",
        "http://127.0.0.1:8000/v1/",
        "http://[::1]:8000/v1",
        "https://me.openai.azure.com/openai/deployments/gpt-4",
    ],
)
def test_ordinary_addresses_are_fine(base_url):
    check_address(base_url)


@pytest.mark.parametrize(
    ("base_url", "part"),
    [
        ("http://me:secret@host/v1", "a user name or password"),
        ("http://secret@host/v1", "a user name or password"),
        ("ftp://me:secret@host/v1", "a user name or password"),
        ("me:secret@host/v1", "a user name or password"),
        ("https:/me:secret@host/v1", "a user name or password"),
        ("https://host:port/v1?x=me:secret@host", "a user name or password and a query"),
        ("https://host/v1?api_key=secret", "a query"),
        ("https://host/v1#secret", "a fragment"),
    ],
)
def test_what_may_be_a_secret_is_refused_and_not_repeated(base_url, part):
    with pytest.raises(InputError) as caught:
        check_address(base_url)
    assert str(caught.value) == (
        f"base_url holds {part}, which may be a key; put the key into the variable api_key_env names"
    )


@pytest.mark.parametrize(
    "base_url",
    ["", "localhost:8000/v1", "ftp://host/v1", "http://", "http://host:99999/v1", "http://ho st/", "http://[::1"],
)
def test_what_is_no_address_is_said(base_url):
    with pytest.raises(InputError) as caught:
        check_address(base_url)
    assert str(caught.value) == f"base_url {base_url!r} is no http:// or https:// address"
