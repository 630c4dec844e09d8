"""The pipeline; reads from top to bottom like the way of an upload."""

import gc
import os
from typing import Final

# What imports and clients of AWS allocate stays for good, and the collector looks through it hundreds of times: a sixth
# of a cold start's CPU time. Buffers hang in no cycles; their memory does not wait for the collector. That is known of
# the functions, not of whoever else imports from here: the requests that a server answers may hang in cycles.
_COLLECT_AFTER: Final = 50_000
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    gc.set_threshold(_COLLECT_AFTER)
