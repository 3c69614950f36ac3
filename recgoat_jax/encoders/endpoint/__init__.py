"""A client of servers that speak the protocol of OpenAI: chats for profiles, embeddings for texts."""

from recgoat_jax.encoders.endpoint.client import Endpoint, EndpointConfig, RequestFailed, Service, Stopped
from recgoat_jax.encoders.endpoint.tasks import in_own_loop, together

__all__ = ["Endpoint", "EndpointConfig", "RequestFailed", "Service", "Stopped", "in_own_loop", "together"]
