"""What a plugin may implement. An entry point in the group `mtk` names a module; its hooks are called from there.

    [project.entry-points.mtk]
    bilinear = "mtk_bilinear"

    # mtk_bilinear/__init__.py
    import mtk

    @mtk.hookimpl
    def mtk_register(registry):
        registry.head("bilinear", "mtk_bilinear.head:Bilinear", summary="u'Wv between two sentence embeddings")

A hook takes those of its arguments that it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from mtk.events import Evaluation, Plan, Progress, Result
    from mtk.registry import Registration

hookspec = pluggy.HookspecMarker("mtk")
hookimpl = pluggy.HookimplMarker("mtk")


@hookspec
def mtk_register(registry: Registration) -> None:
    """Name the components that this plugin brings. Import nothing heavy here: a component is named by "module:Class"
    and imported when a run uses it."""


@hookspec
def mtk_run_started(plan: Plan) -> None:
    """What will run, before it runs: tasks, sizes, heads, combiner, device, precision."""


@hookspec
def mtk_progressed(progress: Progress) -> None:
    """Every few optimizer steps: the losses of each task since the last call, and the pace."""


@hookspec
def mtk_evaluated(evaluation: Evaluation) -> None:
    """The development sets have been evaluated: every task's metrics and their average."""


@hookspec
def mtk_run_finished(result: Result) -> None:
    """The run has ended and its directory is complete."""
