"""The resource types that stacks can hold; `REGISTRY` names them all."""

from transship.local.cloudformation.resources.base import Place, ResourceType
from transship.local.cloudformation.resources.registry import REGISTRY

__all__ = ["REGISTRY", "Place", "ResourceType"]
