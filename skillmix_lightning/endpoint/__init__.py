"""Any OpenAI-compatible server: the one client that students and graders talk through."""

from skillmix_lightning.endpoint.breaker import ServerDown
from skillmix_lightning.endpoint.budget import Stopped
from skillmix_lightning.endpoint.client import ChatClient
from skillmix_lightning.endpoint.failures import Rejected, Unavailable
from skillmix_lightning.endpoint.many import in_order_of_completion
from skillmix_lightning.endpoint.reply import Reply
from skillmix_lightning.endpoint.services import Services
from skillmix_lightning.endpoint.user import EndpointUser

__all__ = [
    "ChatClient",
    "EndpointUser",
    "Rejected",
    "Reply",
    "ServerDown",
    "Services",
    "Stopped",
    "Unavailable",
    "in_order_of_completion",
]
