"""How fast a task is predicted: mtk, with the encoder as it is and in ONNX, beside a plain loop over transformers.

    mtk export RUN --to onnx --int8 --out EXPORT
    python benchmarks/predict.py RUN EXPORT --task sst --texts FILE --json FILE

The plain loop tokenizes all texts, sorts them by length, pads batches of 64 to their longest, and calls AutoModel, the
pooling and the head in fp32: what somebody who knows their way would write. All get the same texts, too few for mtk to keep
their tokens, in the same process and with as many threads, by turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import measuring
import torch
from torch import Tensor

import mtk
from mtk.data.tokens import FEWEST_KEPT
from mtk.export.onnx_encoder import on_onnx
from mtk.model.multitask import Model

BATCH = 64
PLAIN = "transformers, sorted by length"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the directory of a run")
    parser.add_argument("export", type=Path, help="what mtk export --to onnx --int8 made of it")
    parser.add_argument("--task", required=True, help="one of single texts")
    parser.add_argument("--texts", type=Path, required=True, help="a text a line")
    parser.add_argument("--count", type=int, default=FEWEST_KEPT - 1, help=f"of them ({FEWEST_KEPT - 1})")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for what was measured")
    arguments = parser.parse_args()
    lines = arguments.texts.read_text(encoding="utf-8").splitlines()
    texts, task = [line for line in lines if line.strip()][: min(arguments.count, FEWEST_KEPT - 1)], arguments.task
    own, full, small = (mtk.load(arguments.run, device="cpu", precision="fp32") for _ in range(3))
    on_onnx(full, arguments.export / "encoder.onnx")
    on_onnx(small, arguments.export / "encoder-int8.onnx")
    work: dict[str, Callable[[], object]] = {
        PLAIN: lambda: plain(own, task, texts),
        "mtk": lambda: own.predict(task, texts),
        "mtk, ONNX": lambda: full.predict(task, texts),
        "mtk, ONNX in int8": lambda: small.predict(task, texts),
    }
    kind = own.tasks[task].kind
    assert [kind.value(value) for value in plain(own, task, texts).tolist()] == own.predict(task, texts)
    times = measuring.side_by_side(work, arguments.repeats, torch.device("cpu"))
    faster = {name: 1 / measuring.ratio(times, name, PLAIN) for name in work}
    rows = [[name, len(texts) / median(times[name]), faster[name]] for name in work]
    printed = measuring.table(["", "texts/s", "times as fast, paired"], rows)
    found = {"texts": len(texts), "seconds": times, "times as fast": faster}
    measuring.finish(printed, found, torch.device("cpu"), arguments.json)


@torch.inference_mode()
def plain(model: Model, task: str, texts: Sequence[str]) -> Tensor:
    """The predictions, by what a user of transformers would write."""
    tokenizer, encoder, kind = model.encoder.tokenizer, model.encoder, model.tasks[task].kind
    rows = tokenizer(list(texts), truncation=True, max_length=model.max_length)
    order = sorted(range(len(texts)), key=lambda i: -len(rows["input_ids"][i]))
    found = torch.empty(len(texts))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        batch = tokenizer.pad({name: [values[i] for i in chosen] for name, values in rows.items()}, return_tensors="pt")
        states = encoder.backbone(**batch).last_hidden_state
        encoding = mtk.Encoding(states, batch["attention_mask"], encoder.pooling(states, batch["attention_mask"]))
        found[chosen] = kind.predict(model.head(task)(encoding)).float()
    return found


if __name__ == "__main__":
    main()
