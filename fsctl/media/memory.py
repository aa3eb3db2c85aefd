"""Memory of the process: what is freed goes back to the system.

The audio of a store is some hundred kilobytes, in several copies for a moment. glibc maps a block so large by
itself, until one is freed: from then on it takes such blocks from the heap, where what is small and stays pins
them, and lets the heap keep twice as much (mallopt(3), M_MMAP_THRESHOLD). Thresholds that are told do not move.
Called by: ``fsctl media`` when it begins.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""malloc.h"""
LARGE = 1 << 18
"""Bytes from which on a block is mapped, and a heap that ends free is cut. Each page of a mapped block is a fault:
most utterances are smaller, and what is stored together is not."""


def keep_large_blocks_apart() -> bool:
    """Map large blocks for good; false where the C library knows no such setting (musl)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(one, LARGE) for one in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))
