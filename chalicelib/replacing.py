"""
`replace`: a copy of a struct with other values in some fields.

Of the structs' own function mypy knows no fields; the standard library's, which does the same for data classes, it
checks by name and by type, for structs too.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import replace
else:
    from msgspec.structs import replace

__all__ = ["replace"]
