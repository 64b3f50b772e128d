"""PIVRG: equal to its authors' code, whose solver goes to 1e-8 of the squared error; scores are those of the evaluation."""

from __future__ import annotations

import pytest
from published import TASKS, equals, step

from mtk_optimizers.pivrg import PIVRG

BASELINE = [0.5, 0.8, 0.25]


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        ([0, 0, 0], [6.787282114032977, 6.280549968691991, 1.3244945114133357]),
        ([3, -20, 15], [6.35438672928999, 5.8191972546475865, 1.5148680711986136]),
    ],
)
def test_equals_the_published_code(behind: list[float], expected: list[float]) -> None:
    combiner = PIVRG(TASKS, baseline=BASELINE).double()
    scores = {task: b * (1 - per_cent / 100) for task, b, per_cent in zip(TASKS, BASELINE, behind, strict=True)}
    combiner.after_evaluation(scores)
    gradients = step(0)[1]
    equals(combiner.weights(gradients @ gradients.T), expected, tolerance=1e-3)


def test_no_task_has_more_than_bound_times_the_share_of_another() -> None:
    """Its weight is no more than the third root of that, where gradients are orthogonal and equally long."""
    import torch

    combiner = PIVRG(TASKS, baseline=BASELINE, bound=8.0).double()
    combiner.after_evaluation({"one": 0.01, "two": 0.8, "three": 0.25})
    weights = combiner.weights(torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(weights[0] / weights[1], torch.tensor(2.0, dtype=torch.float64))


def test_a_baseline_for_each_task() -> None:
    with pytest.raises(ValueError, match="baseline takes a score for each task"):
        PIVRG(TASKS, baseline=[0.5])
