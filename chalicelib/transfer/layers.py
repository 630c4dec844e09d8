"""
Several layers at once.

Parts of one layer are strictly consecutive (ecr.md 1.3), so it is layers that go in parallel, the longest first and
with precedence: they end together. The first error stops the others at their next part; what they had sent is saved.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from chalicelib.allocator import keep_large_buffers_apart
from chalicelib.replacing import replace
from chalicelib.transfer.job import LayerTask, Paused, Route, StoredLayer
from chalicelib.transfer.layer import store_layer_with
from chalicelib.transfer.read_ahead import PartBuffers

Outcome = StoredLayer | Paused


def store_layers(tasks: Sequence[LayerTask], route: Route) -> list[Outcome]:
    """
    Bring *tasks* into the repository, and return the outcomes in their order.

    Memory is bounded as `TransferOptions` says, whatever the number of layers.

    Raises:
        TransshipError: The first error of any layer; see `store_layer_with`.
    """
    keep_large_buffers_apart()
    stop = threading.Event()
    out_of_time = route.out_of_time
    longest_first = sorted(tasks, key=lambda task: -task.job.length)
    longest = longest_first[0].job.length if tasks else 0
    route = replace(route, out_of_time=lambda: stop.is_set() or out_of_time(), longest=longest)
    with (
        PartBuffers(route.options.buffers, route.registry.part_buffer) as buffers,
        ThreadPoolExecutor(route.options.layers_at_once, thread_name_prefix="layer") as pool,
    ):
        futures = {id(task): pool.submit(store_layer_with, buffers, task, route) for task in longest_first}
        ended, _ = wait(futures.values(), return_when=FIRST_EXCEPTION)
        stop.set()
    for future in ended:
        future.result()  # raises the first error
    return [futures[id(task)].result() for task in tasks]
