"""Pairs of like texts with how like an encoder finds them, for it to learn the same of a pair that it reads as one sequence.

    python experiments/neighbours.py DIR OUT
    mtk run --data OUT --head pretrained-cosine --out runs/neighbours
    mtk run --data DIR --from runs/neighbours …

The first step of Trans-Encoder (Liu et al., ICLR 2022, section 2.2): what a bi-encoder, which embeds each text alone, knows
without labels is taught to a cross-encoder that begins as the same weights. The pairs are those of the training sets of DIR,
a corpus of tasks, and each of their texts with its first, third and fifth neighbour among all of them. OUT becomes a corpus
of one task, a regression on the cosine, with 600 of the pairs set aside to judge by. No label of DIR has a part in it, and
no development set.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from torch.nn.functional import normalize

from mtk import Registry
from mtk.data.batches import by_length
from mtk.data.tasks_toml import read_layout, read_task
from mtk.data.tokens import Sequences
from mtk.engine.device import autocast_of, choose_device, choose_precision
from mtk.host.kinds import Kinds
from mtk.plan import find_encoder
from mtk.training.build_model import build_encoder

RANKS = (1, 3, 5)
ASIDE, SEED = 600, 2026
BATCH, ROWS = 64, 2_000  # texts that are embedded at once, and whose neighbours are looked for at once

TASK = """[cos]
kind = "regression"
range = [-1, 1]
text = ["first", "second"]
label = "cosine"
train = "train.csv"
dev = "dev.csv"
"""


def training_pairs(data: Path) -> list[tuple[str, str]]:
    """The distinct ones, of all tasks that have pairs."""
    found: dict[tuple[str, str], None] = {}
    for source in read_layout(data, Kinds(Registry())).values():
        if source.task.pair and not source.task.kind.candidates:
            train = read_task(source, bad_rows="skip").train
            found.update(dict.fromkeys(zip(*train.texts, strict=True)))  # type: ignore[arg-type]
    return list(found)


@torch.no_grad()
def embedded(texts: Sequence[str], encoder: str, device: torch.device) -> Tensor:
    """Each text's embedding, of length 1."""
    registry = Registry()
    source = find_encoder(encoder, registry)
    model = build_encoder(source.name, registry.part("pooling", "mean"), source=source.source).to(device).eval()
    autocast = autocast_of(choose_precision("auto", device))
    tokens = Sequences([texts], model.tokenizer, 128, device)
    found = torch.empty(len(texts), model.width, device=device)
    for own in by_length(tokens.lengths, BATCH):
        with torch.autocast(device.type, autocast, enabled=autocast is not None):
            embedding = model(tokens.inputs(own, 1)).embedding
        found[torch.tensor(own, device=device)] = normalize(embedding.float(), dim=-1)
    return found


def neighbours(texts: Sequence[str], embeddings: Tensor) -> Iterator[tuple[str, str, float]]:
    """Each text with those of the RANKS, the nearest of which is 1, and their cosines."""
    most = min(max(RANKS) + 1, len(texts))
    for start in range(0, len(texts), ROWS):
        cosines, near = (embeddings[start : start + ROWS] @ embeddings.T).topk(most, dim=1)
        for row, (values, places) in enumerate(zip(cosines.tolist(), near.tolist(), strict=True), start):
            others = [(texts[place], value) for place, value in zip(places, values, strict=True) if place != row]
            yield from ((texts[row], *others[rank - 1]) for rank in RANKS if rank <= len(others))


def write(data: Path, out: Path, encoder: str, device: torch.device) -> None:
    pairs = training_pairs(data)
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    place = {text: number for number, text in enumerate(texts)}
    embeddings = embedded(texts, encoder, device)
    first, second = (embeddings[[place[pair[side]] for pair in pairs]] for side in (0, 1))
    rows = [(*pair, cosine) for pair, cosine in zip(pairs, (first * second).sum(dim=1).tolist(), strict=True)]
    Random(SEED).shuffle(rows)
    aside = min(ASIDE, len(rows) // 2)
    out.mkdir(parents=True)
    (out / "tasks.toml").write_text(TASK)
    for split, own in (("dev", rows[:aside]), ("train", [*rows[aside:], *neighbours(texts, embeddings)])):
        with (out / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("first", "second", "cosine"))
            writer.writerows((one, other, f"{min(1.0, cosine):.5f}") for one, other, cosine in own)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--encoder", default="minilm", help="(minilm)")
    parser.add_argument("--device", default="auto", help="(auto)")
    chosen = parser.parse_args()
    write(chosen.data, chosen.out, chosen.encoder, choose_device(chosen.device))
