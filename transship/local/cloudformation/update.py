"""
An update of a stack: make what is new, change what changed, replace what cannot change, delete what is gone.

A failure undoes every step in the opposite order; deletions come last, when nothing can fail any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transship.local.cloudformation.engine import FAILURES, Engine, kind_of
from transship.local.cloudformation.errors import ResourceError
from transship.local.cloudformation.resources import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transship.local.cloudformation.stacks import Resource, Stack
    from transship.local.cloudformation.template import Declaration, Template


class Update:
    """One update of one stack."""

    def __init__(self, stack: Stack, client: Callable[[str], Any]) -> None:
        self._stack, self._engine = stack, Engine(stack, client)
        self._undo: list[Callable[[], None]] = []
        self._replaced: list[Resource] = []

    def run(self, template: Template, parameters: Mapping[str, str]) -> None:
        """Make the stack what *template* says, or leave it as it was."""
        stack = self._stack
        before = (stack.template, stack.parameters)
        stack.template, stack.parameters, stack.updated = template, parameters, stack.now()
        stack.turn("UPDATE_IN_PROGRESS", "User Initiated")
        try:
            wanted = template.ordered(self._engine.scope())
            for declaration in wanted:
                self._bring_up_to_date(declaration)
            self._engine.set_outputs()
        except FAILURES as failure:
            stack.template, stack.parameters = before
            self._roll_back(str(failure))
        else:
            self._clean_up({declaration.name for declaration in wanted})

    def _bring_up_to_date(self, declaration: Declaration) -> None:
        resource = self._stack.resources.get(declaration.name)
        if resource is None:
            self._add(declaration)
            return
        properties = self._engine.properties(declaration, kind_of(declaration))
        resource.deletion_policy = declaration.deletion_policy
        names = {*properties, *resource.properties}
        changed = {name for name in names if properties.get(name) != resource.properties.get(name)}
        if resource.type_name != declaration.type_name or changed & kind_of(declaration).replaced_by:
            self._replace(declaration, resource)
        elif changed:
            self._change(resource, properties)

    def _add(self, declaration: Declaration) -> None:
        def forget() -> None:
            made = self._stack.resources.pop(declaration.name)
            if made.physical_id:
                self._engine.discard(made)

        self._undo.append(forget)
        self._engine.make(declaration)

    def _replace(self, declaration: Declaration, old: Resource) -> None:
        """Make the resource anew; the old one goes when everything else has succeeded."""
        self._undo.append(lambda: self._stack.resources.__setitem__(declaration.name, old))
        self._add(declaration)
        self._replaced.append(old)

    def _change(self, resource: Resource, properties: dict[str, Any]) -> None:
        stack, kind, old = self._stack, REGISTRY[resource.type_name], resource.properties
        place = self._engine.place(resource.logical_id)
        stack.turn_resource(resource, "UPDATE_IN_PROGRESS")

        def change_back() -> None:
            kind.update(place, resource.physical_id, old, properties)
            resource.properties = old
            stack.turn_resource(resource, "UPDATE_COMPLETE")

        self._undo.append(change_back)
        try:
            kind.update(place, resource.physical_id, properties, old)
        except FAILURES as failure:
            stack.turn_resource(resource, "UPDATE_FAILED", str(failure))
            raise ResourceError(f"The following resource(s) failed to update: [{resource.logical_id}].") from failure
        resource.properties = properties
        stack.turn_resource(resource, "UPDATE_COMPLETE")

    def _clean_up(self, wanted: set[str]) -> None:
        stack = self._stack
        stack.turn("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        gone = [stack.resources.pop(name) for name in list(stack.resources) if name not in wanted]
        self._engine.remove([*gone, *self._replaced])
        stack.turn("UPDATE_COMPLETE")

    def _roll_back(self, reason: str) -> None:
        stack = self._stack
        stack.turn("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        try:
            for step in reversed(self._undo):
                step()
        except FAILURES as failure:
            stack.turn("UPDATE_ROLLBACK_FAILED", str(failure))
        else:
            stack.turn("UPDATE_ROLLBACK_COMPLETE")
