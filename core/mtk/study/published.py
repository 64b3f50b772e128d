"""What the study reports that mtk grew out of, to stand beside a sweep over its rows: "Three Heads Are Better Than One",
Cambronero Saba and Meza Rosales, CS224N, Table 1. Averages of accuracy on sst and para and Pearson's correlation on sts,
with one seed, BERT-base and 283,003 pairs of Quora. Of the table's figures these are the ones that mtk has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TASKS = {"sst", "para", "sts"}
PLAIN = 0.606  # plain heads, losses summed
BEST = 0.740  # at best
BY_HEADS = 0.13  # what task-specific heads brought, its main finding


def is_plain(settings: Mapping[str, Any]) -> bool:
    """Whether a run has the settings of the study's first row: plain heads, summed losses, texts as they are."""
    heads = {value for name, value in settings.items() if name.partition(".")[0] == "heads"}
    augmented = any(name.partition(".")[0] == "augment" and value for name, value in settings.items())
    return (
        bool(heads)
        and all(_name(head) == "linear" for head in heads)
        and _name(settings["combiner"]) == "sum"
        and not augmented
    )


def _name(spec: str) -> str:
    return spec.partition(":")[0]
