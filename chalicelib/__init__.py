"""The pipeline; reads from top to bottom like the way of an upload."""

import gc
from typing import Final

# What imports and clients of AWS allocate stays for good, and the collector looks through it hundreds of times: a sixth
# of a cold start's CPU time. Buffers hang in no cycles; their memory does not wait for the collector.
_COLLECT_AFTER: Final = 50_000
gc.set_threshold(_COLLECT_AFTER)
