"""What the clients of one command share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skillmix_lightning.endpoint.budget import Budget
from skillmix_lightning.endpoint.cache import CachedReply, ResponseCache, cache_key
from skillmix_lightning.endpoint.reply import Reply


@dataclass
class Services:
    """What the student's and the grader's clients of one command share.

    Attributes:
        cache: where complete replies are kept; None for no cache.
        budget: what may be spent, and what has been; None where nobody counts.
    """

    cache: ResponseCache | None = None
    budget: Budget | None = None

    def key(
        self,
        base_url: str,
        model: str,
        messages: Sequence[Mapping[str, object]],
        options: Mapping[str, Any],
        prompt_id: str,
        round: int,
    ) -> str:
        """By which the reply to a request is kept; empty without a cache. Arguments as in `cache.cache_key`."""
        return "" if self.cache is None else cache_key(base_url, model, messages, options, prompt_id, round)

    def kept(self, key: str) -> Reply | None:
        """The reply that is kept, which costs nothing."""
        kept = self.cache.get(key) if self.cache else None
        return Reply(kept.text, kept.finish_reason, kept.usage, kept.model, cached=True, attempts=0) if kept else None

    def keep(self, key: str, reply: Reply, model: str) -> None:
        """Keeps a reply that is complete.

        Args:
            key: of its request.
            reply: what came.
            model: the name that was asked for.
        """
        if self.cache and reply.is_complete and not reply.cached:
            self.cache.put(key, CachedReply(reply.text, reply.finish_reason, reply.usage, reply.model), model)
