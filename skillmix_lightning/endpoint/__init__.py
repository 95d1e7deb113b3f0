"""Any OpenAI-compatible server: the one client that students and graders talk through."""

from skillmix_lightning.endpoint.client import ChatClient, Reply
from skillmix_lightning.endpoint.failures import Unavailable
from skillmix_lightning.endpoint.many import in_order_of_completion

__all__ = ["ChatClient", "Reply", "Unavailable", "in_order_of_completion"]
