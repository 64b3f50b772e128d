"""Settings drawn by Optuna (Akiba et al. 2019) in place of a grid: each trial by what the trials before it came to. One
whose average falls behind is ended early.

The sweep's directory is all that there is of a search: a trial is a row, its evaluations are in its runs, and a search that
was killed draws as it would have drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import msgspec

from mtk.errors import UsageError
from mtk.events import Evaluation, Stop
from mtk.hookspecs import hookimpl
from mtk.study.cells import Cell, is_sweep, read_plan
from mtk.study.grid import Range, Row, cell, over, row_name, settings_of
from mtk.study.record import RunRecord, is_run, read_run
from mtk.study.sweep import Tell, open_sweep, work

if TYPE_CHECKING:
    import optuna

PRUNED = "pruned"
STARTUP = 5  # trials that are never ended early, and by whose median others are


def search(directory: Path, row: Row, flags: Mapping[str, list[Any]], trials: int, tell: Tell) -> bool:
    """Make so many trials, those that are there already counted in. Whether it came to the end. Raises UsageError where
    Optuna is missing, where there is nothing to draw, and for a directory of another sweep."""
    try:
        import optuna
    except ImportError:
        raise UsageError("--search needs Optuna: pip install 'multitask-toolkit[search]'.") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    axes = over(row.axes, flags)
    seeds = [int(seed) for seed in axes.pop("seed", [0])]
    space = {axis: values for axis, values in axes.items() if len(values) > 1 or isinstance(values[0], Range)}
    if not space:
        raise UsageError("--search has nothing to draw: give a setting several values, or a range such as --lr 1e-5..1e-3.")
    for number in range(1, trials + 1):
        known = read_plan(directory).cells if is_sweep(directory) else []
        study = _study(directory, known, axes, space, number)
        trial = study.ask(_distributions(space))
        chosen = {axis: _value(axis, values, space, trial.params) for axis, values in axes.items()}
        name = f"trial {number}: {row_name('', _choices(axes, space), list(chosen.values()))}"
        drawn = [cell(f"trial {number}", seed, settings_of(chosen)) for seed in seeds]
        cells, _ = open_sweep(directory, [msgspec.structs.replace(each, row=name) for each in drawn])
        if not work(directory, cells, tell, listeners=lambda cell, trial=trial: [_Pruning(trial)]):  # type: ignore[misc]
            return False
    return True


class _Pruning:
    """Ends a run whose average is worse than the median of the trials before it were at that evaluation."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial, self._evaluations = trial, 0

    @hookimpl
    def mtk_evaluated(self, evaluation: Evaluation) -> Stop | None:
        self._evaluations += 1
        self._trial.report(evaluation.average, self._evaluations)
        if self._trial.should_prune():
            return Stop(f"{PRUNED}: an average of {evaluation.average:.4f} is below the median of the trials before it")
        return None


def _study(
    directory: Path, known: Sequence[Cell], axes: Mapping[str, list[Any]], space: Mapping[str, list[Any]], number: int
) -> optuna.Study:
    """What Optuna knows before a trial: the trials before it, of those that are done."""
    import optuna

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=number, n_startup_trials=STARTUP),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
    )
    for before in range(1, number):
        of_trial = [each for each in known if each.directory.startswith(f"trial-{before}-seed")]
        runs = [read_run(each.path(directory)) for each in of_trial if is_run(each.path(directory))]
        scores = [best.average for run in runs if run.state == "done" and (best := run.best)]
        if not scores:
            continue  # it failed
        params = {axis: _index(of_trial[0].settings, axis, values) for axis, values in space.items()}
        if any(value is None for value in params.values()):
            raise UsageError(f"{directory} holds a search over other values. Choose another --out.")
        pruned = any(run.result and (run.result.stopped or "").startswith(PRUNED) for run in runs)
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE,
                params=params,
                distributions=_distributions(space),
                value=fmean(scores),
                intermediate_values=_averages(runs[0]),
            )
        )
    return study


def _averages(run: RunRecord) -> dict[int, float]:
    return {number: evaluation.average for number, evaluation in enumerate(run.told().evaluations, start=1)}


def _distributions(space: Mapping[str, list[Any]]) -> dict[str, Any]:
    """A range as it is; of values in a list, which of them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for axis, values in space.items():
        if not isinstance(values[0], Range):
            found[axis] = CategoricalDistribution(list(range(len(values))))
        elif values[0].whole:
            found[axis] = IntDistribution(int(values[0].low), int(values[0].high), log=values[0].log)
        else:
            found[axis] = FloatDistribution(values[0].low, values[0].high, log=values[0].log)
    return found


def _value(axis: str, values: list[Any], space: Mapping[str, list[Any]], drawn: Mapping[str, Any]) -> Any:
    if axis not in space:
        return values[0]
    return drawn[axis] if isinstance(values[0], Range) else values[drawn[axis]]


def _index(settings: Mapping[str, Any], axis: str, values: list[Any]) -> Any:
    """What was drawn for an axis, from the settings that it made; None where they are no choice of it."""
    name, _, task = axis.partition(".")
    given = settings.get(name)
    if task:
        given = given.get(task) if isinstance(given, dict) else given
    if isinstance(values[0], Range):
        return given if isinstance(given, int | float) and values[0].low <= given <= values[0].high else None
    return values.index(given) if given in values else None


def _choices(axes: Mapping[str, list[Any]], space: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """The axes, with two values for each that is drawn, so that a name tells it."""
    return {axis: [None, None] if axis in space else [None] for axis in axes}
