"""An encoder small enough to train in a second, for the tests of whatever a run has to go through."""

from __future__ import annotations

import string
from collections.abc import Iterable
from pathlib import Path

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CHARACTERS = string.ascii_lowercase + string.digits


def tiny_encoder(directory: str | Path, *, words: Iterable[str] = ()) -> Path:
    """Write what `--encoder DIRECTORY` and `mtk.run(encoder=…)` read, and return the directory: a BERT of two layers, 32
    wide, its weights random and always the same, and a tokenizer that knows letters, digits and these `words`."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    pieces = (*_SPECIAL, *".,!?'", *_CHARACTERS, *(f"##{c}" for c in _CHARACTERS), *words)
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        BertModel(config, add_pooling_layer=False).save_pretrained(directory)
    BertTokenizer(vocabulary, model_max_length=128).save_pretrained(directory)
    return Path(directory)
