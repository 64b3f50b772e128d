"""A multitask model as mtk exported it. It needs transformers and what else it imports; mtk is not needed.

model = Model()
model.predict("sst", ["A film I would gladly see again."])
model.predict("para", [("How do I learn to swim?", "What is the best way to learn swimming?")])

python model.py TASK < texts    # an example a line, a tab between the texts of a pair; prints JSON Lines
"""

import json
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer

BATCH = 64


class Model:
    """Predicts the tasks of `tasks.json` with the encoder and the heads beside it."""

    def __init__(self, directory=None, **how):
        """`how` is what the engine takes, such as `device`."""
        directory = Path(directory or Path(__file__).parent)
        card = json.loads((directory / "tasks.json").read_text(encoding="utf-8"))
        self.tasks, self.max_length = card["tasks"], card["max_length"]
        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.engine = Engine(directory, card, **how)  # noqa: F821  # which stands below

    def predict(self, task, examples):
        """A dict for each example, which is a text, or a pair of texts: `prediction`, `probabilities` where there are any,
        and `logits`. Of a task by word they have an item for each word."""
        known = self.tasks[task]
        columns = [list(examples)] if known["texts"] == 1 else [list(column) for column in zip(*examples, strict=True)]
        order = sorted(range(len(examples)), key=lambda i: -sum(len(column[i]) for column in columns))
        found = {}
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            texts = [[column[i] for i in chosen] for column in columns]
            outputs, starts = self._outputs(task, known, texts)
            for row, i in enumerate(chosen):
                values = {name: output[row] for name, output in zip(known["outputs"], outputs, strict=True)}
                words = None if starts is None else (texts[0][row].split(), starts[row])
                found[i] = _answer(known, values, words)
        return [found[i] for i in range(len(examples))]

    def _outputs(self, task, known, texts):
        read = {"first": texts[:1], "second": texts[1:], "joint": texts}
        given, starts = [], None
        for name in known["readings"]:
            inputs = self.tokenizer(
                *read[name],
                truncation=True,
                max_length=self.max_length,
                padding=True,
                return_tensors="np",
                return_offsets_mapping=known["by_word"],
            )
            inputs = dict(inputs)
            if known["by_word"]:
                offsets = inputs.pop("offset_mapping")
                starts = [word_starts(*each) for each in zip(texts[0], offsets, strict=True)]  # noqa: F821
            given += [self.engine.states(inputs), inputs["attention_mask"].astype(np.int64)]
        return self.engine.head(task, given), starts


def _answer(known, values, words):
    """What stands in the outputs for one example."""
    if words is None:
        return {name: _said(known, name, value) for name, value in values.items()}
    texts, starts = words
    places = {word: place for place, word in enumerate(starts) if word >= 0}
    answer = {}
    for name, value in values.items():
        answer[name] = [
            _said(known, name, value[places[word]]) if word in places else _unread(known, name) for word in range(len(texts))
        ]
    return answer


def _said(known, name, value):
    labels = known["labels"]
    if name == "probabilities":
        return {label: float(p) for label, p in zip(labels, np.atleast_1d(value), strict=True)}
    if name == "prediction" and known["meaning"] == "label":
        return labels[int(value)]
    if name == "prediction" and known["meaning"] == "labels":
        return [label for label, holds in zip(labels, value, strict=True) if holds]
    return float(value) if np.ndim(value) == 0 else [float(number) for number in value]


def _unread(known, name):
    """What is said of a word that was cut off."""
    if name == "prediction":
        return _said(known, name, known["unread"])
    return None
