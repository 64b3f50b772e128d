"""The configuration of a run: one flat record. Its fields are the flags of `mtk run`, the arguments of `mtk.run` and the
keys of a run's `config.toml`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec

from mtk.errors import DataError, UsageError, nearest
from mtk.files import read_file

T = TypeVar("T")
PerTask: TypeAlias = T | dict[str, T]
"""One value for every task, or a value by the task's name, where `*` stands for every task not named."""

Count = Annotated[int, msgspec.Meta(ge=1)]
Rate = Annotated[float, msgspec.Meta(ge=0)]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]

BATCH_SIZE = 16
LARGEST = 1 << 16  # bytes of a configuration
SEAL = "sha256"  # the key of the checksum that a run puts before its configuration
MOST_DOTS = 1000  # in a line: what reads TOML takes the square of a key's parts in time
LARGEST_NUMBER = 2**63 - 1  # what files, torch and the random generators all hold

PRESETS: dict[str, dict[str, Any]] = {
    # Cambronero Saba and Meza Rosales, "Three Heads Are Better Than One", CS224N
    "study": {"epochs": 10, "dropout": 0.3, "batch_size": 8, "learning_rate": 1e-5, "head_learning_rate": 1e-5},
    "study-surgery": {"epochs": 10, "dropout": 0.3, "batch_size": 4, "learning_rate": 5e-6, "head_learning_rate": 5e-6},
    # what was best on a part of the study's training sets, with MiniLM: docs/study.md
    "modern": {"learning_rate": 1.5e-4, "r_drop": 4.0},
}


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run is made of. Everything that decides its result is here; where it is written to is not."""

    data: str = "multitask-toolkit/sample"
    """A task set by its name, or a directory: one with a `tasks.toml`, or one in the CS224N layout."""
    bad_rows: Literal["error", "skip"] = "error"
    """What to do with a row that cannot be read: end, or leave it out and report it."""
    limit: PerTask[Count] = {}
    """At most this many examples of each split, for a quick look."""
    tokens: str | None = None
    """A directory in which the training sets' tokens are, or will be, in shards: for data larger than memory."""

    encoder: str = "multitask-toolkit/minilm"
    """An encoder by its name, a directory, or a hub id; ID@REVISION for a branch, a tag or a commit of the hub's. A
    directory or an id may be that of an adapter, which is merged into its encoder."""
    adapter: str = ""
    """`lora:r=8`: matrices beside the encoder's, which are trained in place of its own; lora, loha, lokr and ia3, by
    peft."""
    allow_pickle: bool = False
    """Whether an encoder's weights may be read from a pickle, which can run code of whoever made it."""
    pooling: str = "multitask-toolkit/mean"
    """NAME:key=value,…: what makes the embedding of a sequence of its tokens."""
    max_length: Annotated[int, msgspec.Meta(ge=8)] = 128
    """Tokens of a sequence; what is longer is cut."""

    heads: PerTask[str] = {}
    """NAME:key=value,…; cnn for one text, concat-mlp for two and token-linear for words where nothing is said."""
    combiner: str = "multitask-toolkit/sum"
    """NAME:key=value,…"""
    augment: PerTask[str] = {}
    """NAME:key=value,…,copies=N; training text is left as it is where nothing is said."""

    stages: list[str] = []
    """NAME:key=value,…,epochs=N,batch=N,lr=RATE of each stage in which the encoder learns from the training texts before
    training begins, in their order."""
    epochs: Count = 3
    """How often training goes through an epoch."""
    epoch: Literal["longest", "shortest"] | Count = "longest"
    """An epoch's end: one pass over the longest task, over the shortest, or so many rounds of one batch for each task."""
    steps: Count | None = None
    """Stop after so many optimizer steps, whatever `epochs` says."""
    batch_size: PerTask[Count] = BATCH_SIZE
    """Examples of a task in one step."""
    accumulate: Count = 1
    """Parts in which a batch passes through the encoder; the result is that of the whole batch, with less memory."""
    learning_rate: Rate = 5e-5
    """The highest learning rate of the encoder."""
    head_learning_rate: Rate = 1e-3
    """That of the heads, which begin from nothing."""
    weight_decay: Rate = 0.01
    """The optimizer's, for everything but biases and normalisation."""
    warmup: Share = 0.1
    """The share of all steps in which the learning rate rises; the schedule says what it does in the rest."""
    sampler: str = "multitask-toolkit/equal"
    """NAME:key=value,…,batch=N: how many examples of each task a step takes."""
    optimizer: str = "multitask-toolkit/adamw"
    """NAME:key=value,…: what turns the gradient into a step of the weights."""
    schedule: str = "multitask-toolkit/linear"
    """NAME:key=value,…: how the learning rates fall after warm-up."""
    layer_decay: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    """The factor by which the learning rate of each layer of the encoder is that of the layer above it."""
    freeze: str = ""
    """Layers of the encoder that are not trained: `embeddings,0-3`."""
    average: str = ""
    """`ema:decay=0.999`: a running mean of the weights is what is evaluated and kept."""
    evaluate_every: Count | None = None
    """Evaluate every so many optimizer steps too, beside the end of each epoch."""
    clip_norm: Rate = 1.0
    """The gradient's largest norm; 0 does not clip."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """What to do where a loss or a gradient is no finite number: end the run, or leave that step out and count it."""
    dropout: Share = 0.1
    """In every head that has an option `dropout` and is given no other."""

    r_drop: Rate = 0.0
    """The α of R-Drop: each example passes twice in a step, and answers that differ for their dropout cost so much; 0 leaves
    that out."""

    checkpoint_every: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}m?$")] = "10m"
    """How often the run is saved so that it can be resumed, beside the end of each epoch: every so many steps, `100`, or
    minutes, `10m`; `0` never, not even then."""
    from_run: str | None = None
    """A run whose encoder, and whose heads where they are the same, this one begins with."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    precision: Precision = "auto"
    """Of the encoder's arithmetic; weights stay fp32. `auto` takes bf16 on CUDA and on CPUs that are the faster for it; the
    run records which it was. With `fp16` the losses are scaled."""
    recompute: bool = False
    """Whether activations are computed again in the backward pass, and not kept: the same gradients, with less memory."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether steps are recorded as CUDA graphs and replayed; `auto` does where that is possible."""
    padding_free: Literal["auto", "on", "off"] = "auto"
    """Whether the encoder computes the tokens of a step alone, and no padding between them; `auto` does so on CPUs."""
    deterministic: bool = False
    """Whether only kernels are used that give the same bits each time, which costs time; on a CPU all do."""
    seed: int = 0
    """Of everything random: initial heads, order, dropout, augmentation, the combiner."""

    cosines: Literal["auto", "encoder", "layer"] = "auto"
    """Which cosines between the tasks' gradients are logged: those over the whole encoder, by `layer` too, or, for `auto`,
    those that the combiner's own Gramian tells. A combiner that needs none computes one for it."""

    listen: list[str] = []
    """NAME:key=value,… of each listener that shall hear of the run; it can end it, and changes nothing else in it."""

    revisions: dict[str, str] = {}
    """What the run took from the hub, as it recorded it: "encoder ID" or "data ID" -> the commit. A run that repeats it
    takes the same."""
    versions: dict[str, str] = {}
    """What the run used, as it recorded it: "head cnn" -> the package that brought it and its version, and so on. A run that
    repeats it compares its own."""

    def __post_init__(self) -> None:
        if self.device not in ("auto", "cpu", "cuda") and not self.device.removeprefix("cuda:").isdecimal():
            raise ValueError(f"device is '{self.device}'; it takes auto, cpu, cuda or cuda:N")
        for field in self.__struct_fields__:
            _check_storable(field, getattr(self, field))


def _check_storable(field: str, setting: Any) -> None:
    """Whether a run can write it down. Raises ValueError."""
    if isinstance(setting, dict | list):
        for each in [*setting, *(setting.values() if isinstance(setting, dict) else ())]:
            _check_storable(field, each)
    elif isinstance(setting, int) and not -LARGEST_NUMBER <= setting <= LARGEST_NUMBER:
        raise ValueError(f"{field} is a number too large: {LARGEST_NUMBER:,} is the largest")
    elif isinstance(setting, float) and not math.isfinite(setting):
        raise ValueError(f"{field} is {setting}, which is no number")
    elif isinstance(setting, str) and ((not setting.isascii() and _is_no_unicode(setting)) or "\0" in setting):
        raise ValueError(f"{field} holds what is no Unicode text: {setting!r}")


def _is_no_unicode(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def read_config(path: Path) -> dict[str, Any]:
    """The fields that a TOML file sets. Raises DataError where it is missing, no TOML, or not what `sealed` made."""
    content = read_file(path, "the configuration", LARGEST)
    if any(line.count(b".") > MOST_DOTS for line in content.split(b"\n")):
        raise DataError(f"{path}: this is no configuration: a line has more than {MOST_DOTS:,} dots.")
    try:
        fields: dict[str, Any] = msgspec.toml.decode(content)
    except (ValueError, RecursionError) as error:  # msgspec's own among them, and a number of 4,300 digits
        raise DataError(f"{path}: this is not TOML: {error}.") from None
    if not fields:
        raise DataError(f"{path}: it sets nothing: it was truncated, or is another file than was meant.")
    if fields.pop(SEAL, None) not in (None, _seal(content.partition(b"\n\n")[2])):
        raise DataError(
            f"{path} is not what a run wrote: it was truncated or edited. Restore it; or, to begin a run with edited "
            f"settings, copy it, remove the line `{SEAL}`, and give the copy to --config."
        )
    check(fields, str(path))
    return fields


def sealed(config: RunConfig) -> bytes:
    """A configuration as a run writes it down: TOML that tells of itself whether it is as it was written. What is not set is
    not there, since TOML has no null."""
    settings = msgspec.toml.encode(_without_none(msgspec.to_builtins(config)))
    seal = f'{SEAL} = "{_seal(settings)}"  # of the rest of this file; to edit a copy, remove this line\n\n'
    return seal.encode() + settings


def _seal(settings: bytes) -> str:
    return hashlib.sha256(settings).hexdigest()


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


def layered(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the layers set together; a later layer wins. What it says of some tasks leaves the others as they
    were; what it says of every task replaces all that was said."""
    defaults, fields = RunConfig(), dict[str, Any]()
    for layer in layers:
        for name, setting in layer.items():
            if isinstance(setting, dict) and "*" not in setting:
                below = fields.get(name, getattr(defaults, name))
                fields[name] = {**(below if isinstance(below, dict) else {"*": below}), **setting}
            else:
                fields[name] = setting
    return fields


def check(fields: dict[str, Any], source: str | None = None) -> RunConfig:
    """The configuration that `fields` describe. Raises UsageError, or DataError if they come from the file `source`."""
    error: type[UsageError | DataError] = UsageError if source is None else DataError
    where = "" if source is None else f"{source}: "
    for name in fields:
        if name not in RunConfig.__struct_fields__:
            raise error(f"{where}there is no setting '{name}'. {nearest(name, RunConfig.__struct_fields__)}")
    try:
        return msgspec.convert(fields, RunConfig)
    except msgspec.ValidationError as problem:
        raise error(f"{where}{problem}".replace(" - at `$.", " - in `")) from None
