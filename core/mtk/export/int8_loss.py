"""What 8 bits cost: the metrics of the development set in fp32 and in int8, which stand in the README."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mtk.config import check, read_config
from mtk.errors import MtkError
from mtk.export.onnx_encoder import on_onnx
from mtk.export.to_onnx import ENCODER, INT8
from mtk.host.registry import Registry
from mtk.metrics import average
from mtk.model.multitask import Model
from mtk.plan import layout_of
from mtk.training.checkpoint import load
from mtk.training.evaluation import evaluate_splits
from mtk.training.scored import read_scored


def measure(
    run: str | Path, directory: Path, progress: Callable[[int, int], object] = lambda done, total: None
) -> list[str]:
    """Evaluate both encoders in an export on the development set of the run's data, write what was found to its README, and
    give it as lines. Where the data cannot be read any more that is said instead. `progress` is told how many rows are done,
    and of how many."""
    model = _loaded(run)
    config = check(read_config(Path(run) / "config.toml"))
    registry = Registry()
    try:
        layout = layout_of(config, registry)
        splits, _ = read_scored(model, layout, "dev", bad_rows=config.bad_rows, seed=config.seed)
    except MtkError as error:
        lines = [f"what int8 costs was not measured, since the run's data cannot be read: {error}"]
    else:
        tokens = {name: model.tokenize(name, split) for name, split in splits.items()}
        rows, done = sum(map(len, tokens.values())), Counter[tuple[str, str]]()

        def progressed(file: str, task: str, count: int) -> None:
            done[file, task] = count
            progress(done.total(), 2 * rows)

        full, small = (
            evaluate_splits(on_onnx(_loaded(run), directory / file), tokens, partial(progressed, file)).metrics
            for file in (ENCODER, INT8)
        )
        lines = [f"int8 on {rows:,} rows of dev: average {average(small):.4f}, and {average(full):.4f} in fp32"]
        lines += [
            f"{task}: {metric} {small[task][metric]:.4f} in int8, {value:.4f} in fp32"
            for task, values in full.items()
            for metric, value in values.items()
        ]
    said = 'the encoder with weights of 8 bits: `Model(encoder="encoder-int8.onnx")`'
    with (directory / "README.md").open("a", encoding="utf-8") as readme:
        readme.write(f"\n`{INT8}` is {said}.\n\n")
        readme.writelines(f"- {line}\n" for line in lines)
    return lines


def _loaded(run: str | Path) -> Model:
    return load(run, device="cpu", precision="fp32")
