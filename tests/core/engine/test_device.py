"""Where a run computes and in which precision; what this machine lacks is said with the way out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
import torch

from mtk.engine import device as devices
from mtk.engine.device import autocast_of, choose_device, choose_precision, deterministic
from mtk.errors import UsageError

CPU = torch.device("cpu")


def test_auto_is_the_gpu_where_there_is_one() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == CPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_here_is_named_with_the_way_out() -> None:
    with pytest.raises(UsageError, match=r"--device cuda: there is no CUDA device here.*Use --device cpu or auto"):
        choose_device("cuda")


@pytest.mark.cuda
def test_a_device_beyond_the_last_is_named() -> None:
    with pytest.raises(UsageError, match="counted from 0"):
        choose_device("cuda:99")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "CPU", ""])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="it takes auto, cpu, cuda or cuda:N"):
        choose_device(name)


def test_precision_is_the_users_or_what_is_faster_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_precision("bf16", CPU) == "bf16"
    assert choose_precision("fp32", CPU) == "fp32"
    for faster, wanted in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(devices, "_multiplies_bf16_faster", lambda faster=faster: faster)
        assert choose_precision("auto", CPU) == wanted


def test_a_precision_is_what_a_forward_pass_is_cast_to() -> None:
    assert autocast_of("bf16") is torch.bfloat16
    assert autocast_of("fp32") is None, "as the weights are"


def test_the_trial_is_short_where_bf16_is_made_in_software() -> None:
    large = torch.ones(512, 512)

    def seconds(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    trial = min(seconds(devices._multiplies_bf16_faster.__wrapped__) for _ in range(4))
    assert trial < 100 * min(seconds(lambda: large @ large) for _ in range(4))


def test_a_trial_decides_once_so_that_a_process_has_one_precision() -> None:
    assert choose_precision("auto", CPU) == choose_precision("auto", CPU)
    assert devices._multiplies_bf16_faster.cache_info().currsize == 1


def test_what_is_deterministic_is_so_inside_and_nowhere_else() -> None:
    with deterministic(False, CPU):
        assert not torch.are_deterministic_algorithms_enabled()
    with deterministic(True, CPU):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_what_no_deterministic_kernel_can_do_is_named() -> None:
    told = pytest.raises(UsageError, match=r"--deterministic: put_ does not have a deterministic .*Leave it out")
    with told, deterministic(True, CPU):
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2), accumulate=False)
    with pytest.raises(RuntimeError, match="size of tensor"), deterministic(True, CPU):
        torch.ones(2) + torch.ones(3)


@pytest.mark.cuda
def test_on_cuda_the_workspace_of_cublas_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with deterministic(True, torch.device("cuda")):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
