"""What a plugin may implement. An entry point in the group `mtk` names a module; its hooks are called from there.

    [project.entry-points.mtk]
    bilinear = "mtk_bilinear"

    # mtk_bilinear/__init__.py
    import mtk

    @mtk.hookimpl
    def mtk_register(registry):
        registry.head("bilinear", "mtk_bilinear.head:Bilinear", summary="u'Wv between two sentence embeddings")

A hook takes those of its arguments that it names. The run hooks are heard by plugins' modules, by the listeners that
`--listen` names, and by the objects given to `mtk.run(listeners=…)`. What they get is a record to read and not to change:
the others get the same one. The model, the optimizer and the data are not among it, so listening changes
no run; `mtk_evaluated` may end it.

A listener asked for by name that keeps something between its hooks, such as a count, may have `state_dict()`, which gives it
in plain values (numbers, texts, lists, dicts), and `load_state_dict(state)`: a run that is resumed hands it back.

A plugin's hook that raises is not called again in that run, which goes on; a warning of the logger `mtk` names the plugin,
its package and the line. Of an object given to `mtk.run` the exception is the caller's own, and ends the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from mtk.events import (
        Evaluation,
        EvaluationProgress,
        EvaluationStart,
        Plan,
        Preparation,
        Progress,
        Result,
        StageProgress,
        Stop,
    )
    from mtk.registration import Registration

hookspec = pluggy.HookspecMarker("mtk")
hookimpl = pluggy.HookimplMarker("mtk")


@hookspec
def mtk_register(registry: Registration) -> None:
    """Name what this plugin brings. Import nothing heavy here: everything is named by a text such as "module:Class" and
    imported when it is used."""


@hookspec
def mtk_run_preparing(preparation: Preparation) -> None:
    """What is done just now, before the run can begin: data are read, or the encoder. It can take minutes, and there is no
    directory yet."""


@hookspec
def mtk_run_started(plan: Plan) -> None:
    """What will run, before it runs: tasks, sizes, heads, combiner, device, precision. The run's directory, `plan.out`, is
    there; a listener may write files of its own into it."""


@hookspec
def mtk_stage_progressed(progress: StageProgress) -> None:
    """Every second or so in a stage, which comes before training, and at its end: its loss since the last call."""


@hookspec
def mtk_progressed(progress: Progress) -> None:
    """Every second or so, between two optimizer steps: the losses of each task since the last call, and the pace. Training
    waits until the hook returns."""


@hookspec
def mtk_evaluation_started(start: EvaluationStart) -> None:
    """The development sets are about to be evaluated: so many examples of each task."""


@hookspec
def mtk_evaluation_progressed(progress: EvaluationProgress) -> None:
    """A batch of a development set has been evaluated."""


@hookspec
def mtk_evaluated(evaluation: Evaluation) -> Stop | None:
    """The development sets have been evaluated: every task's metrics, their average, and losses. If they are the best so
    far, the model has been saved. `return mtk.Stop("why")` ends the run: it then ends as if it had come to its end."""


@hookspec
def mtk_run_finished(result: Result) -> None:
    """The run has ended, by itself or by Ctrl-C, and its directory is complete. A run that an error ends does not get
    here."""
