"""Durations in buckets that grow by a twentieth each. Pure."""

import math
from collections.abc import Mapping

RATIO = 1.05


def bucket_of(duration_ms: int) -> int:
    """The bucket of a duration: the smallest whose upper edge is not below it. 1 ms and less are bucket 0."""
    if duration_ms <= 1:
        return 0
    bucket = max(0, math.ceil(math.log(duration_ms) / math.log(RATIO)) - 1)
    while upper_edge_ms(bucket) < duration_ms:
        bucket += 1
    return bucket


def upper_edge_ms(bucket: int) -> float:
    """The longest duration in the bucket, in milliseconds."""
    return float(RATIO**bucket)


def percentile_ms(counts: Mapping[int, int], share: float) -> int | None:
    """A duration that `share` (0 to 1) of those counted did not exceed; None when nothing was counted.

    It is the upper edge of the bucket: never too good, and at most a twentieth too long.
    """
    total = sum(counts.values())
    if total == 0:
        return None
    needed, seen = math.ceil(share * total), 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= max(needed, 1):
            return round(upper_edge_ms(bucket))
    raise AssertionError("counts are not negative")
