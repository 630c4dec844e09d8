"""The pipeline; reads from top to bottom like the way of an upload."""

import gc
import os
from typing import Final

# What imports and clients of AWS allocate stays for good, and the collector looks through it hundreds of times: a sixth
# of a cold start's CPU time. Buffers hang in no cycles; their memory does not wait for the collector. That is known of
# the functions, not of whoever else imports from here: the requests that a server answers may hang in cycles.
_COLLECT_AFTER: Final = 50_000


def spare_what_is_loaded() -> None:
    """Let a function's collector pass over what is loaded: it would go through it once before the first answer."""
    if gc.get_threshold()[0] == _COLLECT_AFTER:
        gc.freeze()


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    gc.set_threshold(_COLLECT_AFTER)
