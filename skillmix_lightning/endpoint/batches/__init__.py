"""Many requests through the Batch API: half the price, within a day, safe to kill (`client.py` says how)."""

from skillmix_lightning.endpoint.batches.client import BatchClient
from skillmix_lightning.endpoint.batches.requests import BatchProgress, BatchRequest, BatchResult
from skillmix_lightning.endpoint.batches.user import BatchUser

__all__ = ["BatchClient", "BatchProgress", "BatchRequest", "BatchResult", "BatchUser"]
