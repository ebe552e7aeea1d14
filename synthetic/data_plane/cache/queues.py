"""Queues of objects as circular doubly linked lists in one array: any object is taken out in constant time.

A node is an object's number, or a queue's: queues are numbered after the objects. An object stands in at most
one queue. Seen from the queue's own node, the oldest object is the next newer one, and the newest the next
older one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthetic.jit import compiled, inlined

__all__ = ["NEWER", "OLDER", "enqueue", "new_queues", "take_out"]

# Columns of the links.
NEWER, OLDER = 0, 1


@compiled()
def new_queues(objects: int, queues: int) -> Any:
    """Links of ``queues`` empty queues, shape (objects + queues, 2)."""
    links = np.empty((objects + queues, 2), np.int32)
    for queue in range(objects, objects + queues):
        links[queue, NEWER] = links[queue, OLDER] = queue
    return links


@inlined
def enqueue(links: Any, queue: int, node: int) -> None:
    """Put ``node`` in as the newest."""
    newest = links[queue, OLDER]
    links[node, OLDER] = newest
    links[node, NEWER] = queue
    links[newest, NEWER] = node
    links[queue, OLDER] = node


@inlined
def take_out(links: Any, node: int) -> None:
    """Take ``node`` out of whichever queue it stands in."""
    newer, older = links[node, NEWER], links[node, OLDER]
    links[older, NEWER] = newer
    links[newer, OLDER] = older
