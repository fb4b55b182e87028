"""Messages that were addressed to the bot and did not end, by platform: what the metrics of this process say."""

from __future__ import annotations

from collections import Counter

from core.telemetry import MESSAGES, RESOLVED


def unresolved() -> Counter[str]:
    open_ones: Counter[str] = Counter()
    for metric, sign in ((MESSAGES, 1), (RESOLVED, -1)):
        for family in metric.collect():
            for sample in family.samples:
                if sample.name.endswith("_total"):
                    open_ones[sample.labels["platform"]] += sign * int(sample.value)
    return open_ones
