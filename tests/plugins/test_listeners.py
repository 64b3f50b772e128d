"""Early stopping: after so many evaluations in a row without a better score, and not before."""

from __future__ import annotations

import pytest
from building import REGISTRY

import mtk


def answers(text: str, scores: list[float], state: dict[str, object] | None = None) -> list[bool]:
    listener = REGISTRY.part("listener", text).build()
    if state:
        listener.load_state_dict(state)
    found = []
    for step, score in enumerate(scores):
        metrics = {"sst": {"accuracy": score}, "sts": {"pearson": 0.5}}
        answer = listener.mtk_evaluated(
            evaluation=mtk.Evaluation(step=step, epoch=1, metrics=metrics, average=(score + 0.5) / 2, best=False)
        )
        assert answer is None or (isinstance(answer, mtk.Stop) and "did not get better" in answer.reason)
        found.append(answer is not None)
    return found


@pytest.mark.parametrize(
    ("text", "scores", "stops"),
    [
        ("early-stopping:patience=2", [0.1, 0.2, 0.2, 0.1], [False, False, False, True]),
        ("early-stopping:patience=2", [0.1, 0.0, 0.2, 0.1, 0.1], [False, False, False, False, True]),
        ("early-stopping:patience=1,gain=0.1,task=sst", [0.1, 0.15], [False, True]),
        ("early-stopping:patience=1,task=sts", [0.1, 0.9], [False, True]),
    ],
)
def test_when_it_is_enough(text: str, scores: list[float], stops: list[bool]) -> None:
    assert answers(text, scores) == stops


def test_a_resumed_run_goes_on_waiting() -> None:
    assert answers("early-stopping:patience=2", [0.1], {"best": 0.9, "waited": 1}) == [True]
