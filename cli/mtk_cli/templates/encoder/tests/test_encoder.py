"""What mtk asks of every encoder, and room for what yours promises beyond that."""

import socket
from typing import Any

import pytest
from huggingface_hub.constants import HF_HUB_OFFLINE
from huggingface_hub.utils import validate_repo_id
from transformers import AutoConfig, AutoTokenizer


def hub_is_there() -> bool:
    if HF_HUB_OFFLINE:
        return False
    try:
        socket.create_connection(("huggingface.co", 443), timeout=3).close()
    except OSError:
        return False
    return True


def test_it_is_a_folder_or_an_id_of_the_hub(part: Any) -> None:
    if part.place() is None:
        validate_repo_id(part.hub_id)
        assert part.hub_id


def test_transformers_reads_it_as_an_encoder(part: Any) -> None:
    source = part.place() or part.hub_id
    if source == part.hub_id and not hub_is_there():
        pytest.skip(f"{source} is on the hub, which cannot be reached from here")
    config = AutoConfig.from_pretrained(source)
    assert config.hidden_size > 0
    assert not config.is_encoder_decoder
    assert AutoTokenizer.from_pretrained(source).pad_token_id is not None
