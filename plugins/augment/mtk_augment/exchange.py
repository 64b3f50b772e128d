"""Exchange: a pair the other way round."""

from __future__ import annotations

from collections.abc import Sequence

import mtk


class Exchange(mtk.Augmenter):
    """The second text of a pair before the first, for tasks whose label does not depend on the order: paraphrases and
    similarity, and not entailment. A head that reads a pair as one sequence is shown both orders. What has one text, or more
    than two, comes back as it was.
    """

    def example(self, texts: Sequence[str], label: str) -> tuple[Sequence[str], str]:
        return (list(reversed(texts)) if len(texts) == 2 else texts), label
