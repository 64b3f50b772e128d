"""`mtk run`: a configuration from preset, file and flags, and the run it describes."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from mtk import UsageError, launched
from mtk.config import PRESETS, check, layered, read_config
from mtk.errors import INTERRUPTED
from mtk_cli.completion import parts, runs
from mtk_cli.json_output import json_option, print_json
from mtk_cli.launch import launch
from mtk_cli.settings import Setting

DATA, MODEL, TRAINING, MACHINE = "Data", "Model", "Training", "Machine"

SETTINGS = [
    Setting(
        DATA,
        "data",
        "--data",
        metavar="NAME|DIR",
        help="A task set by name, or a directory of tasks.",
        complete=parts("tasks", or_directory=True),
    ),
    Setting(DATA, "bad_rows", "--bad-rows", metavar="error|skip", help="End at an unreadable row, or leave it out."),
    Setting(DATA, "limit", "--limit", metavar="N", help="Take at most N examples of each split."),
    Setting(DATA, "tokens", "--tokens", metavar="DIR", help="Keep training sets on disk, in DIR: larger than memory."),
    Setting(
        DATA,
        "augment",
        "--augment",
        metavar="SPEC",
        help="Enlarge training text: eda:alpha=0.2,copies=9.",
        complete=parts("augmenter", by_task=True),
    ),
    Setting(
        MODEL,
        "encoder",
        "--encoder",
        metavar="NAME",
        help="An encoder by name, a directory, or a hub id: ID@REVISION.",
        complete=parts("encoder", or_directory=True),
    ),
    Setting(MODEL, "adapter", "--adapter", metavar="SPEC", help="Train an adapter in place of the encoder: lora:r=8."),
    Setting(MODEL, "allow_pickle", "--allow-pickle", help="Read an encoder's weights from a pickle too."),
    Setting(
        MODEL,
        "pooling",
        "--pooling",
        metavar="SPEC",
        help="What a sequence's embedding is: cls, last-layers:k=4.",
        complete=parts("pooling"),
    ),
    Setting(MODEL, "max_length", "--max-length", metavar="N", help="Tokens of a sequence; the rest is cut."),
    Setting(
        MODEL,
        "heads",
        "--head",
        metavar="SPEC",
        help="NAME:key=value,…; cnn for one text, concat-mlp for two, token-linear for words unless given.",
        complete=parts("head", by_task=True),
    ),
    Setting(
        MODEL,
        "combiner",
        "--combiner",
        metavar="SPEC",
        help="What settles the tasks' gradients: NAME:key=value,…",
        complete=parts("combiner"),
    ),
    Setting(MODEL, "dropout", "--dropout", metavar="SHARE", help="In every head with dropout that is given no other."),
    Setting(
        TRAINING,
        "stages",
        "--stage",
        metavar="SPEC",
        help="What the encoder learns from the texts before: mlm:epochs=1; again for another.",
        complete=parts("stage"),
    ),
    Setting(TRAINING, "epochs", "--epochs", metavar="N", help="How often training goes through an epoch."),
    Setting(
        TRAINING,
        "epoch",
        "--epoch",
        metavar="longest|shortest|N",
        help="One pass over the longest or the shortest task, or N batches of each.",
    ),
    Setting(TRAINING, "steps", "--steps", metavar="N", help="Stop after N optimizer steps."),
    Setting(TRAINING, "batch_size", "--batch-size", metavar="N", help="Examples of a task in one step."),
    Setting(
        TRAINING,
        "sampler",
        "--sampler",
        metavar="SPEC",
        help="Examples of each task in a step: annealed, equal:batch=48.",
        complete=parts("sampler"),
    ),
    Setting(TRAINING, "accumulate", "--accumulate", metavar="N", help="Encode a batch in N parts, with less memory."),
    Setting(TRAINING, "learning_rate", "--learning-rate", "--lr", metavar="RATE", help="The encoder's, at its highest."),
    Setting(
        TRAINING,
        "head_learning_rate",
        "--head-learning-rate",
        "--head-lr",
        metavar="RATE",
        help="The heads', at its highest.",
    ),
    Setting(TRAINING, "weight_decay", "--weight-decay", metavar="RATE", help="The optimizer's."),
    Setting(
        TRAINING,
        "optimizer",
        "--optimizer",
        metavar="SPEC",
        help="What makes steps of gradients: sgd:momentum=0.9.",
        complete=parts("optimizer"),
    ),
    Setting(
        TRAINING,
        "schedule",
        "--schedule",
        metavar="SPEC",
        help="How the rates fall: cosine, wsd:decay=0.2.",
        complete=parts("schedule"),
    ),
    Setting(TRAINING, "warmup", "--warmup", metavar="SHARE", help="The share of steps in which the rate rises."),
    Setting(TRAINING, "layer_decay", "--layer-decay", metavar="FACTOR", help="A layer's rate over that of the layer above."),
    Setting(TRAINING, "freeze", "--freeze", metavar="LAYERS", help="Train all of the encoder but embeddings,0-3."),
    Setting(
        TRAINING, "average", "--average", metavar="ema", help="Evaluate and keep a mean of the weights: ema:decay=0.999."
    ),
    Setting(TRAINING, "evaluate_every", "--evaluate-every", metavar="N", help="Every N steps too, not after epochs alone."),
    Setting(TRAINING, "clip_norm", "--clip-norm", metavar="NORM", help="The gradient's largest norm; 0 does not clip."),
    Setting(
        TRAINING,
        "on_nonfinite",
        "--on-nonfinite",
        metavar="stop|skip",
        help="At a loss or gradient that is no number: end, or leave that step out.",
    ),
    Setting(TRAINING, "r_drop", "--r-drop", metavar="ALPHA", help="Pass each example twice, and draw its answers together."),
    Setting(
        TRAINING,
        "checkpoint_every",
        "--checkpoint-every",
        metavar="N|Nm",
        help="Save the run every N steps or minutes, and after each epoch, to resume it; 0 never.",
    ),
    Setting(
        TRAINING,
        "from_run",
        "--from",
        metavar="RUN",
        help="Begin with the encoder and the heads of another run.",
        complete=runs,
    ),
    Setting(MACHINE, "device", "--device", metavar="NAME", help="auto, cpu, cuda or cuda:N."),
    Setting(MACHINE, "precision", "--precision", metavar="auto|fp32|bf16|fp16", help="Of the encoder's arithmetic."),
    Setting(MACHINE, "recompute", "--recompute", help="Compute activations again in the backward pass: less memory."),
    Setting(MACHINE, "compile", "--compile", metavar="auto|on|off", help="Record steps as CUDA graphs."),
    Setting(MACHINE, "padding_free", "--padding-free", metavar="auto|on|off", help="Compute no padding in training."),
    Setting(MACHINE, "deterministic", "--deterministic", help="Only kernels that give the same bits each time."),
    Setting(MACHINE, "seed", "--seed", metavar="N", help="Of everything random."),
    Setting(MACHINE, "cosines", "--cosines", metavar="auto|encoder|layer", help="Log cosines of the tasks' gradients."),
    Setting(
        MACHINE,
        "listen",
        "--listen",
        metavar="SPEC",
        help="A listener, such as tensorboard; again for another.",
        complete=parts("listener"),
    ),
]


class Sectioned(click.Command):
    """A command whose help shows its options in sections, in the order in which they are declared."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, params in groupby(self.get_params(ctx), lambda p: getattr(p, "section", "Run")):
            with formatter.section(section):
                formatter.write_dl([record for p in params if (record := p.get_help_record(ctx))])


@click.command("run", cls=Sectioned, params=[*SETTINGS])
@click.option("--preset", type=click.Choice(sorted(PRESETS)), help="Start from the study's settings, or the best known.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="A TOML file of settings, such as a run's own.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    shell_complete=runs,
    metavar="RUN",
    help="Go on with a run that was left off.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The run's directory; a new one in runs/ unless given.")
@click.option(
    "--nproc",
    type=click.IntRange(min=1),
    metavar="N",
    help="Train in N processes, each on its share of every batch; torchrun -m mtk run does so on several machines.",
)
@click.option(
    "--shard",
    is_flag=True,
    help="Let each process hold a part of the encoder, of the gradients and of the optimizer's state: for large encoders.",
)
@click.option("--quiet", is_flag=True, help="Print only what the run came to.")
@json_option("Print only one JSON object, at the end.")
def command(
    preset: str | None,
    file: Path | None,
    resume: Path | None,
    out: Path | None,
    nproc: int | None,
    shard: bool,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train an encoder on several tasks and evaluate it.

    Without a flag it trains on an embedded corpus, with no network. A flag wins over --config, and that over --preset.
    A SPEC is NAME or NAME:key=value,key=value; `mtk list` and `mtk show NAME` tell them.
    """
    given = {name: setting for name, setting in settings.items() if setting is not False and setting not in (None, {}, ())}
    if resume and (preset or file or out):
        raise UsageError(
            "--resume goes on with the run's own settings, in its own directory: leave out --preset, --config, --out."
        )
    config = None if resume else check(layered(PRESETS[preset] if preset else {}, read_config(file) if file else {}, given))
    how: dict[str, Any] = {"resume": resume, "shard": shard, **given} if resume else {"out": out, "shard": shard}

    if nproc and nproc != launched.processes():
        if launched.processes() > 1:
            raise UsageError(f"--nproc {nproc}: {launched.processes()} processes were started already. Leave it out.")
        raise click.exceptions.Exit(launch(nproc, sys.argv[1:]))

    import mtk
    from mtk_cli.console import Quiet, Report
    from mtk_cli.output import stdout

    if not launched.is_first():  # whom nobody hears
        result = mtk.run(config, **how)
    elif as_json:
        result = mtk.run(config, **how, listeners=[])
        print_json(
            {
                "out": str(result.out),
                "metrics": result.best.metrics if result.best else None,
                "average": result.best.average if result.best else None,
                "epochs": result.epochs,
                "steps": result.steps,
                **({"stopped": result.stopped} if result.stopped else {}),
                **({"skipped": result.skipped} if result.skipped else {}),
                **({"notes": result.notes} if result.notes else {}),
                "seconds": result.seconds,
                "examples_per_second": result.examples_per_second,
            }
        )
    elif quiet:
        result = mtk.run(config, **how, listeners=[Quiet(stdout())])
    else:
        with Report(stdout()) as report:
            result = mtk.run(config, **how, listeners=[report])
    if result.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
