"""CAGrad of logarithms: equal to the code that Dai, Fei and Lu published, its solver carried on to the end."""

from __future__ import annotations

from published import TASKS, equals, step

from mtk_optimizers.log_cagrad import LogCAGrad


def test_equals_the_published_code() -> None:
    _, gradients, about = step(0)
    combined = LogCAGrad(TASKS).weights(gradients @ gradients.T, about) @ gradients
    equals(combined, [1.136497203165189, 1.2019694114338042, -0.8653492260206856, -0.1438174203033674], 1e-6)
