"""Packed sequences without padding: where tokens lie, on a host that knows and on a device that is not asked, and when a run
has them. That no gradient changes is in `test_routing`."""

from __future__ import annotations

from dataclasses import replace

import building
import pytest
import torch
from three_tasks import batches, halves, make_model
from torch import Tensor

from mtk.engine.attention import attend_by_offsets
from mtk.engine.gradients import Engine
from mtk.engine.packing import routing
from mtk.engine.packing.layout import Block, Layout
from mtk.engine.packing.padding_free import SMALLEST, OnDevice, PaddingFree, choose_padding_free, room_for
from mtk.errors import UsageError

CPU, CUDA, META = torch.device("cpu"), torch.device("cuda"), torch.device("meta")
LENGTHS = [(0, [3, 5, 4]), (1, [6, 6]), (1, [1]), (0, [2, 4]), (2, [1, 4])]  # rows, and the sequences of each block
TOKENS = [(row, sum(lengths)) for row, lengths in LENGTHS]


def blocks() -> list[Block]:
    """With the padding on the right, and on the left."""
    found = []
    for number, (row, lengths) in enumerate(LENGTHS):
        longest = max(lengths)
        mask = torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)
        mask = mask.flip(1) if number % 2 else mask
        found.append(Block(row, len(lengths), longest, mask[:, None, None, :]))
    return found


def layouts(spare: int = 3) -> dict[str, Layout]:
    return {"host": PaddingFree(blocks()), "device": OnDevice(blocks(), sum(n for _, n in TOKENS) + spare)}


@pytest.mark.parametrize("name", ["host", "device"])
def test_the_tokens_of_all_sequences_lie_end_to_end_and_come_back_to_where_they_were(name: str) -> None:
    layout, masks = layouts()[name], [block.mask[:, 0, 0] for block in blocks()]
    values = [torch.arange(mask.numel()).view(mask.shape) + 100 * number for number, mask in enumerate(masks, 1)]
    tokens = torch.cat([own[mask] for own, mask in zip(values, masks, strict=True)])
    packed = layout.packed(values)
    assert packed.shape == (1, layout.tokens)
    assert packed[0, : len(tokens)].tolist() == tokens.tolist()
    states = packed.float().unsqueeze(-1).requires_grad_()
    back = layout.unpacked(states)
    for own, given, mask in zip(values, back, masks, strict=True):
        assert given.shape == (*mask.shape, 1)
        torch.testing.assert_close(given[mask].squeeze(1), own[mask].float())
    # what a head makes of padding has no say; behind the tokens are positions of which a head makes nothing
    ones = [mask.float().unsqueeze(-1) if name == "device" else torch.ones(*mask.shape, 1) for mask in masks]
    torch.autograd.backward(back, ones)
    assert states.grad is not None
    assert states.grad.flatten().tolist() == [1.0] * len(tokens) + [0.0] * (layout.tokens - len(tokens))


@pytest.mark.parametrize("name", ["host", "device"])
def test_each_token_is_of_its_row(name: str) -> None:
    layout = layouts()[name]
    rows = [row for row, count in TOKENS for _ in range(count)]
    assert layout.row_of_token(CPU)[: len(rows)].tolist() == rows
    assert layout.rows == [0, 1, 2]
    if layout.spans is None:
        assert layout.groups == [0, 1, 0, 2]
        assert layout.offsets.tolist() == [12, 25, 31, 36]
        assert layout.offsets.dtype == torch.int32
    else:
        assert layout.spans == [(0, slice(0, 12)), (1, slice(12, 25)), (0, slice(25, 31)), (2, slice(31, 36))]


def test_a_block_with_hardly_any_padding_keeps_it_on_a_cpu() -> None:
    mask = torch.ones(8, 1, 1, 8, dtype=torch.bool)
    mask[0, ..., -1] = False
    assert PaddingFree([Block(0, 8, 8, mask)]).tokens == 64
    mask[1, ..., -1] = False
    assert PaddingFree([Block(0, 8, 8, mask)]).tokens == 62


def test_there_is_no_more_room_than_positions() -> None:
    assert OnDevice(blocks(), 1_000).tokens == sum(block.mask.numel() for block in blocks())


def attended(layout: Layout, window: int | None) -> Tensor:
    """Tokens that differ, with the gradient of what they attended to."""
    count = sum(n for _, n in TOKENS)
    drawn = torch.randn(3, count, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    more = torch.nn.functional.pad(drawn, (0, 0, 0, 0, 0, layout.tokens - count), value=7.0).requires_grad_()
    found = layout.attend(*more, scale=0.5, probability=0.0, window=window)[:count]
    found.square().sum().backward()
    assert more.grad is not None
    assert not more.grad[:, count:].any(), "what stands behind the tokens gets nothing"
    return torch.cat([found.detach()[None], more.grad[:, :count]])


@pytest.mark.parametrize("window", [None, 2])
def test_attention_stays_within_each_sequence(window: int | None) -> None:
    found = {name: attended(layout, window) for name, layout in layouts().items()}
    torch.testing.assert_close(found["device"], found["host"])
    alone, start = [], 0
    for _, lengths in LENGTHS:
        for length in lengths:
            one = torch.ones(1, 1, 1, length, dtype=torch.bool)
            drawn = torch.randn(3, 36, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
            q, k, v = drawn[:, start : start + length]
            alone.append(Layout([Block(0, 1, length, one)]).attend(q, k, v, 0.5, 0.0, window))
            start += length
    torch.testing.assert_close(found["host"][0], torch.cat(alone))


def test_nothing_is_asked_of_a_device() -> None:
    on_meta = [Block(b.row, b.sequences, b.length, b.mask.to(META)) for b in blocks()]
    layout = OnDevice(on_meta, 40)
    states = layout.packed([torch.empty(b.sequences, b.length, device=META) for b in on_meta])
    assert (states.device, states.shape, layout.row_of_token(META).shape) == (META, (1, 40), (40,))


def test_there_are_few_sizes_and_little_room_to_spare() -> None:
    rooms = [room_for(tokens) for tokens in range(1, 20_000)]
    assert all(tokens <= room < tokens + max(SMALLEST, tokens / 8) for tokens, room in enumerate(rooms, 1))
    assert rooms == sorted(rooms)
    assert len({room for room in rooms if 1_024 < room <= 2_048}) == 8
    assert all(room_for(room) == room for room in rooms)


@pytest.mark.parametrize("parts", [1, 2], ids=["whole", "accumulated"])
@pytest.mark.parametrize(("combiner", "times"), [("sum", 1), ("pcgrad", 2)])
def test_the_rooms_that_are_told_are_those_that_are_made(
    combiner: str, times: int, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What two tasks read alike is there once, or for each of them where each has a gradient of its own."""
    data = {task: own if parts == 1 else halves(own) for task, own in batches().items()}
    data["sts"] = [replace(own, readings=its.readings) for own, its in zip(data["sts"], data["sst"], strict=True)]
    engine = Engine(make_model().float(), building.combiner(combiner, list(data)), packed=True, padding_free=True)
    engine.by_room = True
    made: list[int] = []
    monkeypatch.setattr(routing, "OnDevice", lambda blocks, room: made.append(room) or OnDevice(blocks, room))
    engine.backward(data)
    tokens = [times * sst.tokens + para.tokens for sst, para in zip(data["sst"], data["para"], strict=True)]
    assert engine.rooms(data) == tuple(made) == tuple(map(room_for, tokens))


@pytest.mark.parametrize(
    ("setting", "device", "plain", "gradients", "chosen"),
    [
        ("auto", CPU, None, 3, True),
        ("auto", CPU, "it is another encoder", 3, False),
        ("auto", CUDA, None, 1, True),
        ("auto", CUDA, None, 3, False),
        ("auto", CUDA, None, 8, True),
        ("auto", CUDA, "it is another encoder", 8, False),
        ("auto", META, None, 8, False),
        ("off", CPU, None, 3, False),
        ("on", CPU, None, 3, True),
        ("on", CUDA, None, 3, True),
    ],
)
def test_a_run_has_them_where_they_are_faster(
    setting: str, device: torch.device, plain: str | None, gradients: int, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert choose_padding_free(setting, device, torch.bfloat16, plain, gradients) is chosen  # type: ignore[arg-type]


@pytest.mark.parametrize(("autocast", "capability"), [(None, (9, 0)), (torch.float16, (9, 0)), (torch.bfloat16, (7, 5))])
def test_a_run_has_none_where_a_gpu_has_no_kernel(
    autocast: torch.dtype | None, capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    assert not choose_padding_free("auto", CUDA, autocast, None, 1)


@pytest.mark.parametrize(
    ("device", "autocast", "plain", "said"),
    [
        (CPU, None, "its attention is of another kind", "since its attention is of another kind"),
        (CUDA, None, None, "use --precision bf16"),
        (META, torch.bfloat16, None, "no kernel on meta"),
    ],
)
def test_where_it_cannot_be_it_is_said_why(
    device: torch.device, autocast: torch.dtype | None, plain: str | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        choose_padding_free("on", device, autocast, plain, 1)


@pytest.mark.cuda
@pytest.mark.parametrize("window", [None, 2])
def test_a_gpus_kernel_attends_as_the_reference_does(window: int | None) -> None:
    """The reference in single precision, of the same numbers: what is left is the kernel's rounding."""
    ends = torch.tensor([3, 8, 8, 20], dtype=torch.int32)
    drawn = torch.randn(3, 20, 2, 32, generator=torch.Generator().manual_seed(0)).bfloat16()
    found = []
    for device, dtype in ((CPU, torch.float32), (CUDA, torch.bfloat16)):
        q, k, v = (x.detach().to(device, dtype).requires_grad_() for x in drawn)
        states = attend_by_offsets(q, k, v, ends.to(device), 16, 0.2, 0.0, window)
        states.float().square().sum().backward()
        found.append(torch.stack([x.float().cpu() for x in (states, q.grad, k.grad, v.grad)]))
    exact, of_kernel = found
    for one, other in zip(exact, of_kernel, strict=True):
        assert (other - one).norm() < 0.01 * one.norm()
