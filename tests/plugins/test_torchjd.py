"""TorchJD's methods through mtk: each trains, each is the method that TorchJD means, and what a user gets wrong is said."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import building
import pytest
import torch
from building import REGISTRY
from learnable import KINDS, make_task, split, train
from torch import Tensor

import mtk
from mtk.host.spec import Spec

pytest.importorskip("torchjd", reason="TorchJD is not installed: pip install 'multitask-toolkit[torchjd]'")

from torchjd import aggregation, scalarization
from torchjd.linalg import QuadprogProjector

TASKS = ("one", "two", "three")
NAMES = [c.name for c in REGISTRY.components if c.plugin == "torchjd"]
OWN = ["mgda", "cagrad", "imtl-g", "aligned-mtl", "gradvac", "dwa"]  # which mtk has on the device, and TorchJD on the host
REQUIRED = {
    "constant": "constant:weights=1/0.5/0.5",
    "cosmos": "cosmos:weights=1/1/1,lambda_=0.1",
    "pbi": "pbi:weights=1/1/1",
}
# As an option holds them: in float32.
PREFERENCE = torch.tensor([0.2, 0.3, 0.5]).double()
REFERENCE = torch.tensor([0.1, 0, 0]).double()

AGGREGATORS: dict[str, Callable[[], aggregation.Aggregator]] = {
    "upgrad": aggregation.UPGrad,
    "upgrad:pref_vector=0.2/0.3/0.5": lambda: aggregation.UPGrad(PREFERENCE),
    "upgrad:norm_eps=0,reg_eps=0.01": lambda: aggregation.UPGrad(projector=QuadprogProjector(norm_eps=0, reg_eps=0.01)),
    "dualproj": aggregation.DualProj,
    "dualproj:pref_vector=0.2/0.3/0.5": lambda: aggregation.DualProj(PREFERENCE),
    "dualproj:norm_eps=0,reg_eps=0.01": lambda: aggregation.DualProj(projector=QuadprogProjector(norm_eps=0, reg_eps=0.01)),
    "mgda": aggregation.MGDA,
    "mgda:epsilon=0.5,max_iters=3": lambda: aggregation.MGDA(0.5, 3),
    "cagrad": lambda: aggregation.CAGrad(0.5),
    "cagrad:c=0.1,norm_eps=0": lambda: aggregation.CAGrad(0.1, 0.0),
    "imtl-g": aggregation.IMTLG,
    "aligned-mtl": aggregation.AlignedMTL,
    "aligned-mtl:pref_vector=0.2/0.3/0.5,scale_mode=median": lambda: aggregation.AlignedMTL(PREFERENCE, "median"),
    "gradvac": aggregation.GradVac,
    "gradvac:beta=0.1,eps=0.01": lambda: aggregation.GradVac(0.1, 0.01),
    "fairgrad": lambda: aggregation.FairGrad(1.0),
    "fairgrad:alpha=2,max_iters=5": lambda: aggregation.FairGrad(2.0, 5),
    "krum": lambda: aggregation.Krum(0),
    "krum:n_selected=2": lambda: aggregation.Krum(0, 2),
    "pcd": aggregation.PCD,
    "pcd:tau=0.5,beta=0.5,eps=0.1": lambda: aggregation.PCD(0.5, 0.5, 0.1),
    "cr-mogm": lambda: smoothed(aggregation.MGDAWeighting(), 0.9),
    "cr-mogm:weighting=upgrad,alpha=0.3": lambda: smoothed(aggregation.UPGradWeighting(), 0.3),
    "cr-mogm:weighting=pcgrad,alpha=0.3": lambda: smoothed(aggregation.PCGradWeighting(), 0.3),
    "cr-mogm:weighting=pcd": lambda: smoothed(aggregation.PCDWeighting(), 0.9),
    "nash-mtl": lambda: aggregation.NashMTL(3),
    "nash-mtl:max_norm=0,update_weights_every=2,optim_niter=5": lambda: aggregation.NashMTL(3, 0.0, 2, 5),
    "config": aggregation.ConFIG,
    "config:pref_vector=0.2/0.3/0.5": lambda: aggregation.ConFIG(PREFERENCE),
    "graddrop": aggregation.GradDrop,
    "graddrop:leak=0.2/0.3/0.5": lambda: aggregation.GradDrop(leak=PREFERENCE),
    "trimmed-mean": lambda: aggregation.TrimmedMean(1),
    "trimmed-mean:trim_number=0": lambda: aggregation.TrimmedMean(0),
    "excess-mtl": aggregation.ExcessMTL,
    "excess-mtl:robust_step_size=0.1": lambda: aggregation.ExcessMTL(0.1),
}

SCALARIZERS: dict[str, Callable[[], scalarization.Scalarizer]] = {
    "mean": scalarization.Mean,
    "constant:weights=0.2/0.3/0.5": lambda: scalarization.Constant(PREFERENCE),
    "random": scalarization.Random,
    "geometric-mean": scalarization.GeometricMean,
    "uw": lambda: scalarization.UW(3),
    "imtl-l": lambda: scalarization.IMTLL(3),
    "famo": lambda: scalarization.FAMO(3),
    "dwa:temperature=0.5": lambda: scalarization.DWA(0.5),
    "stch": lambda: scalarization.STCH(1.0),
    "stch:mu=0.1,weights=0.2/0.3/0.5,reference=0.1/0/0": lambda: scalarization.STCH(0.1, PREFERENCE, REFERENCE),
    "cosmos:weights=0.2/0.3/0.5,lambda_=2": lambda: scalarization.COSMOS(2.0, PREFERENCE),
    "pbi:weights=0.2/0.3/0.5": lambda: scalarization.PBI(5.0, PREFERENCE),
    "pbi:weights=0.2/0.3/0.5,theta=1,reference=0.1/0/0": lambda: scalarization.PBI(1.0, PREFERENCE, REFERENCE),
}

LEFT_OUT = {"Sum", "PCGrad", "MoDo", "SDMGrad"}


def smoothed(weighting: Any, alpha: float) -> aggregation.Aggregator:
    return aggregation.GramianWeightedAggregator(aggregation.CRMOGMWeighting(weighting, alpha))


def build(spec: str, tasks: tuple[str, ...] = TASKS) -> Any:
    """A combiner in float64, in which it is compared."""
    return building.combiner(spec, tasks).double()


def combine(combiner: mtk.Combiner, gradients: Tensor) -> Tensor:
    """What the engine makes of the combiner's word."""
    if isinstance(combiner, mtk.GradientCombiner):
        return combiner.combine(gradients)
    assert isinstance(combiner, mtk.GramianCombiner)
    return combiner.weights(gradients @ gradients.T) @ gradients


def gradients(seed: int) -> dict[str, Tensor]:
    """Three gradients of twenty parameters, as they may lie to each other."""
    rows = torch.randn(3, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return {
        "as they come": rows,
        "in conflict": rows - 1.5 * rows.mean(dim=0),
        "in agreement": rows.abs(),
        "of different lengths": rows * torch.tensor([[10], [1], [0.1]]),
    }


def slopes(scalarizer: Callable[[Tensor], Tensor], losses: Tensor) -> Tensor:
    losses = losses.clone().requires_grad_()
    scalarizer(losses).backward()
    assert losses.grad is not None
    return losses.grad


@pytest.mark.parametrize("name", NAMES)
def test_it_trains(tiny_encoder: Path, name: str) -> None:
    tasks = [make_task(task, kind, pair=False) for task, kind in zip(TASKS, KINDS, strict=True)]
    splits = {task.name: split(task.kind, False, seed) for seed, task in enumerate(tasks)}
    heads = dict.fromkeys(TASKS, "linear")
    before, after = train(tiny_encoder, tasks, splits, heads, REQUIRED.get(name, name))
    assert after < 0.95 * before


@pytest.mark.filterwarnings("ignore:You are solving a parameterized problem")
@pytest.mark.parametrize("case", gradients(0))
@pytest.mark.parametrize("spec", AGGREGATORS)
def test_it_is_the_aggregator_of_torchjd(spec: str, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every one of several steps, from what is remembered of the steps before, too."""
    combiner, aggregator = build(spec), AGGREGATORS[spec]()
    for seed in range(4):
        rows = gradients(seed)[case]
        if spec.startswith("gradvac"):  # which draws its orders otherwise
            places = torch.tensor([[0, 1, 2], [0, 1, 2], [2, 1, 0]])  # so that the last task meets the second first
            monkeypatch.setattr(torch, "rand", lambda *_, places=places, **__: places)
            drawn = iter([torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([1, 0])])
            monkeypatch.setattr(torch, "randperm", lambda _, drawn=drawn: next(drawn))
        torch.manual_seed(seed)
        ours = combine(combiner, rows)
        torch.manual_seed(seed)
        theirs = aggregator(rows)
        # where one searches until a step is that short, or the solver stops there
        nearly = 1e-4 if spec.startswith(("nash-mtl", "cagrad")) else 1e-6
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=nearly * rows.norm().item())


@pytest.mark.parametrize("spec", AGGREGATORS)
def test_it_combines_what_training_brings(spec: str) -> None:
    """In float32, nearly the same as in float64."""
    rows = gradients(0)["in conflict"]
    torch.manual_seed(0)
    exact = combine(build(spec), rows)
    torch.manual_seed(0)
    ours = combine(building.combiner(spec, TASKS), rows.float())
    if not spec.startswith("graddrop"):  # whose chances are other numbers in float32
        torch.testing.assert_close(ours.double(), exact, rtol=0, atol=1e-2 * rows.norm().item())
    assert ours.dtype == torch.float32


@pytest.mark.parametrize("spec", SCALARIZERS)
def test_it_is_the_scalarizer_of_torchjd(spec: str) -> None:
    combiner, scalarizer = build(spec), SCALARIZERS[spec]().double()
    for seed in range(4):
        losses = torch.rand(3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.5
        torch.manual_seed(seed)
        ours = slopes(combiner.scalarize, losses)
        torch.manual_seed(seed)
        torch.testing.assert_close(ours, slopes(scalarizer, losses))
    for parameter, theirs in zip(combiner.parameters(), scalarizer.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, theirs.grad)


def test_every_name_is_compared() -> None:
    assert {Spec.parse(spec).name for spec in (*AGGREGATORS, *SCALARIZERS)} == {*NAMES, *OWN}


def test_a_period_of_dwa_is_an_epoch_of_torchjd() -> None:
    combiner, scalarizer = build("dwa:period=3"), scalarization.DWA()
    for step, losses in enumerate(torch.rand(12, 3, dtype=torch.float64) + 0.5):
        if step % 3 == 0:
            scalarizer.step()
        torch.testing.assert_close(slopes(combiner.scalarize, losses), slopes(scalarizer, losses))


def test_a_root_of_the_gramian_stands_for_gradients_that_depend_on_each_other() -> None:
    """The gradient of a task is zero, or that of two tasks the same, or one the opposite of another."""
    rows = gradients(0)["as they come"]
    for mixed in ([[1, 0, 0], [0, 0, 0], [0, 0, 1]], [[1, 0, 0], [1, 0, 0], [0, 0, 1]], [[1, 0, 0], [-1, 0, 0], [0, 0, 1]]):
        dependent = torch.tensor(mixed, dtype=torch.float64) @ rows
        torch.testing.assert_close(combine(build("config"), dependent), aggregation.ConFIG()(dependent))


@pytest.mark.parametrize("name", [*NAMES, *OWN])
def test_no_gradient_makes_none(name: str) -> None:
    combiner = build(REQUIRED.get(name, name))
    if not isinstance(combiner, mtk.LossCombiner):
        assert not combine(combiner, torch.zeros(3, 20, dtype=torch.float64)).any()


@pytest.mark.parametrize(
    "spec", ["gradvac", "pcd", "cr-mogm", "cr-mogm:weighting=gradvac", "cr-mogm:weighting=pcd", "excess-mtl"]
)
def test_it_goes_on_from_a_saved_state(spec: str) -> None:
    first, second = build(spec), build(spec)
    for seed in range(3):
        combine(first, gradients(seed)["in conflict"])
    saved = {key: value.clone() for key, value in first.state_dict().items()}
    assert saved
    second.load_state_dict(saved)
    torch.testing.assert_close(dict(second.state_dict()), saved)
    for seed in range(3, 5):
        rows = gradients(seed)["in conflict"]
        torch.manual_seed(seed)
        ours = combine(first, rows)
        torch.manual_seed(seed)
        torch.testing.assert_close(combine(second, rows), ours, rtol=0, atol=0)


@pytest.mark.parametrize("spec", [spec for spec in (*AGGREGATORS, *SCALARIZERS) if "/" in spec])
def test_what_a_user_gives_moves_with_it(spec: str) -> None:
    vectors = list(building.combiner(spec, TASKS).to("meta").buffers())
    assert vectors
    assert all(vector.is_meta for vector in vectors)


def test_options_of_a_run_are_not_part_of_the_state() -> None:
    assert not build("upgrad:pref_vector=0.2/0.3/0.5").state_dict()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cagrad:c=-1", "'-1' is no value for option 'c' of 'cagrad': it takes float, ≥ 0."),
        ("cagrad:c=much", "'much' is no value for option 'c' of 'cagrad': it takes float, ≥ 0."),
        ("aligned-mtl:pref_vector=1/2", "pref_vector takes a number for each task (one, two, three), such as 1/1/1"),
        (
            "aligned-mtl:scale_mode=max",
            "'max' is no value for option 'scale_mode' of 'aligned-mtl': it takes min|median|rmse.",
        ),
        ("upgrad:pref_vector=1/2", "a number for each task (one, two, three), such as 1/1/1, not '1/2'"),
        ("graddrop:leak=a/b/c", "leak takes a number for each task (one, two, three), such as 1/1/1, not 'a/b/c'"),
        ("krum:n_byzantine=1", "'krum:n_byzantine=1' cannot be built: it needs n_byzantine + 3 tasks"),
        ("trimmed-mean:trim_number=2", "it leaves out 2 * trim_number gradients, 4, and there are 3"),
        ("constant", "'constant' needs option 'weights': write constant:weights=…"),
        ("cr-mogm:weighting=sum", "'sum' is no value for option 'weighting' of 'cr-mogm'"),
        ("dwa:period=0", "'0' is no value for option 'period' of 'dwa': it takes int, ≥ 1."),
        ("upgrad:norm=1", "'upgrad' has no option 'norm'. Did you mean norm_eps or normalize?"),
    ],
)
def test_a_wrong_option_is_one_clear_message(spec: str, message: str) -> None:
    with pytest.raises(mtk.UsageError, match=re.escape(message)):
        build(spec)


@pytest.fixture
def without_torchjd(monkeypatch: pytest.MonkeyPatch) -> mtk.Registry:
    import mtk_torchjd

    monkeypatch.setattr(mtk_torchjd, "find_spec", lambda name: None)
    return mtk.Registry()


def test_where_the_extra_is_missing_it_is_named(without_torchjd: mtk.Registry) -> None:
    found = without_torchjd.find("combiner", "upgrad")
    assert found.summary.endswith("(needs the extra torchjd)")
    with pytest.raises(mtk.UsageError, match=re.escape("pip install 'multitask-toolkit[torchjd]'")):
        mtk.run(combiner="upgrad:norm_eps=0.1", registry=without_torchjd)


def test_listing_imports_neither_torch_nor_torchjd() -> None:
    code = "import sys, mtk; mtk.Registry(); sys.exit(bool({'torch', 'torchjd', 'cvxpy'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True)


DOCUMENTED = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")


def test_whatever_torchjd_offers_is_adapted_or_left_out_with_a_reason() -> None:
    bases = {"Aggregator", "GramianWeightedAggregator", "WeightedAggregator", "Weighting", "Scalarizer"}
    offered = {name.removesuffix("Weighting") for name in {*aggregation.__all__, *scalarization.__all__} - bases}
    adapted = {combiner.__name__ for name in (*NAMES, *OWN) if (combiner := REGISTRY.find("combiner", name).load())}
    assert offered == adapted | LEFT_OUT
    told = DOCUMENTED.partition("What TorchJD has and mtk has not: ")[2].partition("\n\n")[0].replace("-", "")
    for name in LEFT_OUT:
        assert re.search(rf"\b{name}\b", told)


@pytest.mark.parametrize("component", [c for c in REGISTRY.components if c.kind == "combiner"], ids=lambda c: c.name)
def test_the_documentation_has_a_row_for_it(component: Any) -> None:
    """With its contract, and whether it uses the host and has a state."""
    row, *_ = re.findall(rf"^\| `{component.name}` \|.*$", DOCUMENTED, re.MULTILINE)  # the others are in its family's table
    _, contract, host, state, _ = [cell.strip() for cell in row.strip("|").split("|")][1:]
    cls = component.load()
    contracts = {mtk.LossCombiner: "losses", mtk.GramianCombiner: "Gramian", mtk.GradientCombiner: "gradients"}
    reads = next(word for base, word in contracts.items() if issubclass(cls, base))
    assert contract == ("halves" if "cross" in inspect.signature(getattr(cls, "weights", cls)).parameters else reads)
    assert host == ("yes" if cls.uses_host else "no")
    combiner = build(component.name + building.NEEDED.get(component.name, ""))
    assert state in (["saved", "learned"] if combiner.state_dict() else ["no", "saved"])  # or later
