"""What a step of surgery does beyond one of a sum, piece by piece, and other ways of doing each piece.

    python benchmarks/surgery.py --precision bf16 --json FILE

The pieces are those of an encoder's linear layers, which have nearly all of its parameters: the products that make its
weights' gradients, for all tasks in one or for each into its row; the rows' Gramian; their weighted sum, and AdamW's pass
after it or together with it. The factors are random, of as many tokens for each task as a step has. What else both steps
have alike is not timed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import measuring
import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

import mtk
from mtk.engine.device import choose_device
from mtk.engine.gramian import STRETCH
from mtk.engine.task_gradients import TaskGradients

CACHED = 131_072  # columns, of which some rows fit the second cache


class Pieces:
    """The linear layers of an encoder, and what their gradients are made of: for `tasks` tasks, `tokens` of each."""

    def __init__(self, backbone: nn.Module, tasks: int, tokens: int, dtype: torch.dtype) -> None:
        torch.manual_seed(0)
        linear = [module for module in backbone.modules() if isinstance(module, nn.Linear)]
        self.weights = [nn.Parameter(module.weight.detach()) for module in linear]
        self.factors = [
            (torch.randn(tasks, tokens, w.shape[0]).to(dtype), torch.randn(tasks, tokens, w.shape[1]).to(dtype))
            for w in self.weights
        ]
        self.rows = TaskGradients({"all": self.weights}, tasks)
        self.whole = TaskGradients({"all": self.weights}, 1)
        self.count, self.shares = tasks, torch.full((tasks,), 1 / tasks)
        self.low = torch.zeros_like(self.rows.matrix, dtype=torch.bfloat16)
        self.sum, self.few = torch.zeros(self.low.shape[1]), torch.empty(tasks, CACHED)
        self.moments = {weight: (torch.zeros_like(weight), torch.zeros_like(weight)) for weight in self.weights}

    def one_product(self) -> None:
        self.whole.clear()
        for weight, (dy, x) in zip(self.weights, self.factors, strict=True):
            self.whole.add_product(weight, 0, dy.flatten(0, 1).t(), x.flatten(0, 1))

    def a_row_each(self, after: Callable[[Tensor], object] = lambda rows: None) -> None:
        self.rows.clear()
        columns = self.rows.matrix.split([weight.numel() for weight in self.weights], dim=1)
        for weight, (dy, x), own in zip(self.weights, self.factors, columns, strict=True):
            for row in range(self.count):
                self.rows.add_product(weight, row, dy[row].t(), x[row])
            after(own)

    def a_row_each_in_bf16(self) -> None:
        place = 0
        for weight, (dy, x) in zip(self.weights, self.factors, strict=True):
            own = self.low[:, place : place + weight.numel()]
            for row, view in enumerate(own.unflatten(1, weight.shape)):
                torch.mm(dy[row].t(), x[row], out=view)
            place += weight.numel()

    def gramian(self) -> None:
        self.rows.gramian(self.count)

    def gramian_of_cached(self) -> None:
        """After each weight's products, when its rows are still in the cache."""
        self.a_row_each(products)

    def gramian_of_bf16(self) -> None:
        for stretch in self.low.split(CACHED, dim=1):
            products(self.few[:, : stretch.shape[1]].copy_(stretch))

    def combined(self) -> None:
        self.rows.give_combined(self.shares)

    def combined_at_once(self) -> None:
        self.added_up(self.rows.matrix)

    def added_up(self, rows: Tensor) -> Tensor:
        """The weighted sum of these rows, in place of the first."""
        first = rows[0].mul_(self.shares[0])
        for row, share in zip(rows[1:], self.shares[1:], strict=True):
            first.addcmul_(row, share)
        return first

    def combined_of_bf16(self) -> None:
        for stretch, found in zip(self.low.split(CACHED, dim=1), self.sum.split(CACHED), strict=True):
            own = self.few[:, : stretch.shape[1]].copy_(stretch)
            torch.mul(own[0], self.shares[0], out=found)
            for row, share in zip(own[1:], self.shares[1:], strict=True):
                found.addcmul_(row, share)

    @torch.no_grad()
    def adamw(self, weights: Sequence[nn.Parameter]) -> None:
        """A step of these, whose gradients are there. Its number stays the same, and with it the work."""
        moments = [self.moments[weight] for weight in weights]
        adamw(
            list(weights),
            [weight.grad for weight in weights if weight.grad is not None],
            [first for first, _ in moments],
            [second for _, second in moments],
            [],
            [torch.ones(()) for _ in weights],
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=1e-5,
            weight_decay=0.01,
            eps=1e-8,
            maximize=False,
        )

    def combined_then_adamw(self) -> None:
        self.combined()
        self.adamw(self.weights)

    def combined_within_adamw(self) -> None:
        """Some weights after the other, whose sums AdamW then reads from the cache."""
        place, some = 0, list[nn.Parameter]()
        for weight in self.weights:
            some.append(weight)
            columns = sum(member.numel() for member in some)
            if columns < STRETCH and weight is not self.weights[-1]:
                continue
            found_of_all = self.added_up(self.rows.matrix[:, place : place + columns])
            for member, found in zip(some, found_of_all.split([member.numel() for member in some]), strict=True):
                member.grad = found.view_as(member)
            self.adamw(some)
            place, some = place + columns, []


def products(rows: Tensor) -> None:
    """As `gramian` takes those of few rows."""
    for stretch in rows.split(STRETCH, dim=1):
        for number, row in enumerate(stretch):
            for other in stretch[: number + 1]:
                torch.dot(row, other)


def main() -> None:
    flags = measuring.parser(__doc__)
    flags.add_argument("--tasks", type=int, default=3, metavar="T", help="(3)")
    flags.add_argument("--tokens", type=int, default=170, metavar="N", help="of a step, for each task (170)")
    flags.add_argument("--repeats", type=int, default=9, metavar="N", help="of each, in turns (9)")
    arguments = flags.parse_args()
    load = measuring.Workload(arguments, mtk.Registry())
    low = load.autocast is not None
    pieces = Pieces(load.encoder().backbone, arguments.tasks, arguments.tokens, load.autocast or torch.float32)
    ways: dict[str, dict[str, Callable[[], object]]] = {
        "products": {
            "one for all tasks, as a sum has it": pieces.one_product,
            "one for each, into its row": pieces.a_row_each,
        },
        "Gramian": {"of the rows": pieces.gramian},
        "weighted sum": {"in stretches": pieces.combined, "a row at once": pieces.combined_at_once},
        "weighted sum and AdamW": {
            "one after the other": pieces.combined_then_adamw,
            "in one pass, some weights after the other": pieces.combined_within_adamw,
        },
        "products and Gramian": {
            "one after the other": partial(_both, pieces.a_row_each, pieces.gramian),
            "weight by weight": pieces.gramian_of_cached,
        },
    }
    if low:
        ways["products"]["into rows of bf16"] = pieces.a_row_each_in_bf16
        ways["Gramian"]["of rows of bf16"] = pieces.gramian_of_bf16
        ways["weighted sum"]["of rows of bf16"] = pieces.combined_of_bf16
    pieces.a_row_each()
    work = {f"{piece}: {way}": run for piece, of_piece in ways.items() for way, run in of_piece.items()}
    times = measuring.side_by_side(work, arguments.repeats, choose_device("cpu"))
    rows = [[name, 1e3 * median(times[name])] for name in work]
    printed = measuring.table([f"{arguments.tasks} tasks of {arguments.tokens} tokens", "ms"], rows)
    measuring.finish(
        printed, {"precision": "bf16" if low else "fp32", "seconds": times}, choose_device("cpu"), arguments.json
    )


def _both(one: Callable[[], object], other: Callable[[], object]) -> None:
    one()
    other()


if __name__ == "__main__":
    main()
