"""
Which key of a dictionary holds a member of an answer, found once for each member.

moto's serializers look for a member under six names and their spellings, anew for each value, since a value may be an
object of any class. In a dictionary the names depend on the model alone. Of what a call of DynamoDB took here, whose
every attribute has ten members of which one is there, this search was more than a third.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moto.core.serialize import AttributePickerContext, XFormedAttributePicker

_names: dict[tuple[object, ...], tuple[str, ...]] = {}
"""Names by what moto's providers of names look at, as many as the models of the services that are used have members."""


class RememberingPicker(XFormedAttributePicker):
    """moto's picker; it finds what moto's finds."""

    def __call__(self, context: AttributePickerContext) -> Any:
        """Return the member of `context.obj` that the context is about, None if it is not there."""
        found = context.obj
        if type(found) is not dict or self.response_transformers:
            return super().__call__(context)
        for name in self._names_of(context):
            if name in found:
                return found[name]
        return None

    def _names_of(self, context: AttributePickerContext) -> Iterable[str]:
        shape, service = context.shape, context.service_model
        parent = getattr(shape, "parent", None)
        about = (
            service and service.service_name,
            context.key,
            shape.name,
            shape.type_name,
            shape.serialization.get("name"),
            parent and parent.name,
        )
        if about not in _names:
            _names[about] = tuple(self.get_possible_keys(context))
        return _names[about]
