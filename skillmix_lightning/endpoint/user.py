"""What students and graders behind an endpoint have in common: the server's settings and the command's services."""

from typing import Literal

from skillmix_lightning.endpoint.client import ChatClient
from skillmix_lightning.endpoint.services import Services

#: The name by which a request limits its reply: OpenAI's reasoning models know the second one only, older servers the
#: first.
MaxTokensParameter = Literal["max_tokens", "max_completion_tokens"]


class EndpointUser:
    """Uses a served model.

    Args:
        model: the name the server knows the model by.
        base_url: of the server, usually ending in /v1.
        api_key_env: the NAME of the environment variable with the key; keys are in no config and no run folder.
        concurrency: how many requests may be under way at once; None to find what the server accepts.
        requests_per_minute: a ceiling; None for none.
        tokens_per_minute: a ceiling of prompt and completion tokens together; None for none.
        timeout_s: for one request.

    Attributes:
        services: the cache and the budget that those at work in a command share; a command sets them before it starts.

    Raises:
        InputError: the address, the key or a limit cannot work.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key_env: str,
        concurrency: int | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        timeout_s: float = 300.0,
    ) -> None:
        self.model = model
        self.base_url = base_url
        self.api_key_env = api_key_env
        self.concurrency = concurrency
        self.requests_per_minute = requests_per_minute
        self.tokens_per_minute = tokens_per_minute
        self.timeout_s = timeout_s
        self.services = Services()
        self.client()  # a setting that cannot work is said at the start, not after the first texts

    def client(self) -> ChatClient:
        """A client for one stretch of work."""
        return ChatClient(
            self.base_url,
            self.api_key_env,
            self.concurrency,
            self.requests_per_minute,
            self.tokens_per_minute,
            self.timeout_s,
            self.services,
        )
