import pytest

from skillmix_lightning.endpoint import EndpointUser, Services
from skillmix_lightning.errors import InputError


def test_its_client_has_its_settings_and_the_services_of_its_command():
    user = EndpointUser("m", "http://127.0.0.1:9/v1", "TEST_KEY", concurrency=7, timeout_s=3.0)
    user.services = Services()
    client = user.client()
    assert (client.base_url, client.api_key_env) == ("http://127.0.0.1:9/v1", "TEST_KEY")
    assert (client.ceiling, client.timeout_s) == (7, 3.0)
    assert client.services is user.services
    assert user.client() is not client


def test_two_users_share_no_services_until_a_command_says_so():
    one, other = (EndpointUser("m", "http://127.0.0.1:9/v1", "TEST_KEY") for _ in range(2))
    assert one.services == other.services == Services()
    assert one.services is not other.services


def test_a_setting_that_cannot_work_is_said_at_the_start():
    with pytest.raises(InputError, match="tokens_per_minute is 0; it has to be at least 1"):
        EndpointUser("m", "http://127.0.0.1:9/v1", "TEST_KEY", tokens_per_minute=0)
