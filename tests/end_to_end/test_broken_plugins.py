"""A plugin that breaks its promise ends a run before it leaves anything behind, with one line that says whose fault it is
and where: the part, its plugin, its package, the promise, and the line in the plugin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mtk_cli import cli

Install = Callable[..., Path]

HEAD = """
import mtk, torch

class Head(mtk.Head):
    def __init__(self, width, outputs, inputs):
        super().__init__()
        self.score = torch.nn.Linear(width, outputs)
    def forward(self, first, second=None):
        {}
"""
BUILT = HEAD.format("...").replace("super().__init__()", "{}")
COMBINER = """
import mtk, torch

class Combiner(mtk.{}):
    def {}(self, given):
        {}
"""
AUGMENTER = """
import mtk

class Augmenter(mtk.Augmenter):
    def __call__(self, words, rng):
        {}
"""
TURNS = COMBINER.format("GramianCombiner", "weights", "return torch.ones(3)") + "    def turns(self):\n        {}\n"
WEIGHTS, SCALARIZE, COMBINE = (
    COMBINER.format(kind, method, "{}")
    for kind, method in (("GramianCombiner", "weights"), ("LossCombiner", "scalarize"), ("GradientCombiner", "combine"))
)

CASES = [
    # kind, source, what its method does, the message after "is broken: ", the line
    ("head", "import mtk\n{}", "1 / 0", "importing clinic_part:Head failed: ZeroDivisionError: division by zero", 2),
    ("head", BUILT, "1 / 0", "its constructor failed: ZeroDivisionError", 6),
    ("head", HEAD, "return torch.relu(first)", "its forward failed: TypeError: relu()", 9),
    ("head", HEAD, "raise SystemExit(3)", "its forward failed: SystemExit: 3", 9),
    ("head", HEAD, "self.score(first.mask)", "its forward failed: RuntimeError: ", 9),
    ("head", HEAD, "return self.score(first.tokens)", "its forward promises a tensor [2, 1] on cpu, and gave [2, ", 8),
    ("head", HEAD, "return None", "its forward promises a tensor [2, 1] on cpu, and gave NoneType", 8),
    ("combiner", WEIGHTS, "return given.nope", "its weights failed: AttributeError: 'Tensor' object has no attribute", 6),
    ("combiner", WEIGHTS, "return given", "its weights promises a tensor [3] on cpu, and gave [3, 3] on cpu", 5),
    ("combiner", WEIGHTS, "return given[0] / 0 * 0", "its weights promises finite numbers, and gave the weights [nan, n", 5),
    ("combiner", SCALARIZE, "return given", "its scalarize promises a tensor [] on cpu, and gave [3] on cpu", 5),
    ("combiner", SCALARIZE, "return given.sum().detach()", "its scalarize does not depend on the losses", 5),
    (
        "combiner",
        SCALARIZE,
        "return (given - given).sqrt().sum()",
        "its scalarize promises finite numbers, and gave a sc",
        5,
    ),
    ("combiner", COMBINE, "return given", "its combine promises a tensor [", 5),
    ("combiner", COMBINE, "return given.sum(0).log()", "its combine promises finite numbers, and gave a gradient of nor", 5),
    ("combiner", TURNS, "return [('sst', 'no-such-task')]", "its turns are [('sst', 'no-such-task')], and the tasks sst", 7),
    ("augmenter", AUGMENTER, "return []", "it promises a list of at least one word, but 'the ", 5),
    ("augmenter", AUGMENTER, "words[0] = 'x'", "its __call__ failed on 'the ", 6),
    (
        "head",
        HEAD.replace("    def f", "    pairs = 'joint'\n    def f"),
        "...",
        "clinic_part:Head has an attribute `pairs`, w",
        0,
    ),
    (
        "head",
        HEAD.replace("    def f", "    pair_encoding = 'seperate'\n    def f"),
        "",
        "clinic_part:Head sets `pair_encodi",
        0,
    ),
    (
        "head",
        HEAD.replace("inputs)", "inputs, rank=3)", 1),
        "...",
        "clinic_part:Head has an option `rank` that nobody can set",
        0,
    ),
    (
        "head",
        BUILT,
        "pass",
        "its constructor does not begin with super().__init__(): AttributeError: cannot assign module",
        7,
    ),
    (
        "head",
        "def Head(first):\n    return {}",
        "first",
        "clinic_part:Head is a function and not a class; write a subclass",
        0,
    ),
    (
        "combiner",
        COMBINER.format("Combiner", "weights", "{}"),
        "...",
        "clinic_part:Combiner subclasses mtk.Combiner itself; sub",
        0,
    ),
    (
        "listener",
        "import mtk\nclass Listener:\n    @mtk.hookimpl\n    {}",
        "def mtk_evaluated(self): ...\n    def mtk_progressed(self): ...",
        "its mtk_progressed is not marked with @mtk.hookimpl",
        0,
    ),
    ("listener", "class Listener:\n    {}", "pass", "it implements no run hook: mark its methods with @mtk.hookimpl", 0),
    (
        "listener",
        "import mtk\nclass Listener:\n    @mtk.hookimpl\n    {}",
        "def mtk_run_start(self): ...",
        "PluginValidationError: unknown hook 'mtk_run_start'",
        0,
    ),
    ("encoder", "", "", "there is no folder 'Encoder' in an installed package 'clinic_part'", 0),
    ("tasks", "", "", "there is no folder 'Tasks' in an installed package 'clinic_part'", 0),
]
FLAGS = {"head": "--head", "combiner": "--combiner", "augmenter": "--augment", "listener": "--listen"}
NOUNS = {"tasks": "task set"}


def run(tiny_corpus: Path, tiny_encoder: Path, out: Path, *flags: str) -> Result:
    base = ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--steps", "2", "--device", "cpu", "--out", str(out))
    result = CliRunner().invoke(cli, ["run", *base, *flags])
    assert result.exception is None or isinstance(result.exception, SystemExit), "no traceback"
    return result


def offers(kind: str, target: str) -> str:
    call = f"registry.{kind}('clinic', '{target}', summary='s')"
    return f"import mtk\n\n@mtk.hookimpl\ndef mtk_register(registry):\n    {call}\n"


@pytest.mark.parametrize(("kind", "source", "does", "message", "line"), CASES, ids=[f"{c[0]}: {c[2]}" for c in CASES])
def test_a_broken_part_is_named_with_its_plugin_package_promise_and_line(
    install: Install, tiny_corpus: Path, tiny_encoder: Path, kind: str, source: str, does: str, message: str, line: int
) -> None:
    target = f"clinic_part:{kind.capitalize()}"
    modules = {"clinic": offers(kind, target), "clinic_part": source.format(does or "...")}
    site = install("clinic-box", modules, {"ward": "clinic"})
    out = site / "run"
    result = run(tiny_corpus, tiny_encoder, out, FLAGS.get(kind, "--data" if kind == "tasks" else "--encoder"), "clinic")
    assert (result.exit_code, result.stdout) == (2, "")
    (text,) = result.stderr.splitlines()
    named = f"error: The {NOUNS.get(kind, kind)} 'clinic' of plugin 'ward' (clinic-box 1.2) is broken: {message}"
    assert text.startswith(named)
    if line:
        assert text.endswith(f"({site / 'clinic_part.py'}:{line})")
    assert not out.exists(), "nothing is half-written"


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("import mtk\n1 / 0", "ZeroDivisionError: division by zero", 2),
        (offers("head", "clinic_part"), "the target of head 'clinic' is 'clinic_part', not \"module:Class\"", 5),
    ],
)
def test_a_plugin_that_cannot_be_imported_or_registered_is_named_when_its_part_is_missed(
    install: Install, tiny_corpus: Path, tiny_encoder: Path, source: str, message: str, line: int
) -> None:
    site = install("clinic-box", {"clinic": source}, {"ward": "clinic"})
    result = run(tiny_corpus, tiny_encoder, site / "run", "--head", "clinic")
    assert (result.exit_code, result.stdout) == (2, "")
    (text,) = result.stderr.splitlines()
    assert text.startswith("error: There is no head 'clinic'.")
    assert f"'ward' (clinic-box 1.2): {message} ({site / 'clinic.py'}:{line})" in text
    assert not (site / "run").exists()


KIND = """
import mtk

class Kind(mtk.Kind):
    metric_names = ("accuracy",)
    def loss(self, logits, labels):
        {loss}
    def predict(self, logits):
        {predict}
    def metrics(self, predictions, labels):
        {metrics}
    def value(self, prediction):
        {value}
"""
SOUND = {
    "loss": "return ((logits[:, 0] - labels) ** 2).mean()",
    "predict": "return (logits[:, 0] > 0).float()",
    "metrics": "return {'accuracy': (predictions == labels).double().mean().item()}",
    "value": "return self.labels[int(prediction)]",
}
BROKEN_KINDS = [
    # its method, what that does, the message after "is broken: ", the line
    ("loss", "1 / 0", "its loss failed: ZeroDivisionError", 7),
    ("loss", "return logits", "its loss promises a tensor [] on cpu, and gave [2, 1] on cpu", 6),
    ("predict", "1 / 0", "its predict failed: ZeroDivisionError", 9),
    ("predict", "return 1", "its predict promises a tensor [2, …], and gave int", 8),
    ("value", "1 / 0", "its value failed: ZeroDivisionError", 13),
]
MOOD = '[mood]\nkind = "clinic"\nlabels = ["0", "1"]\ntext = "t"\nlabel = "y"\ntrain = "a.csv"\ndev = "a.csv"\n'


@pytest.mark.parametrize(("method", "does", "message", "line"), BROKEN_KINDS)
def test_a_broken_kind_is_named_before_anything_is_left(
    install: Install, tiny_encoder: Path, tmp_path: Path, method: str, does: str, message: str, line: int
) -> None:
    source = KIND.format(**{**SOUND, method: does})
    site = install("clinic-box", {"clinic": offers("kind", "clinic_part:Kind"), "clinic_part": source}, {"ward": "clinic"})
    (tmp_path / "tasks.toml").write_text(MOOD)
    (tmp_path / "a.csv").write_text("t,y\na dog,0\na cat,1\n")
    result = run(tmp_path, tiny_encoder, site / "run")
    assert (result.exit_code, result.stdout) == (2, "")
    (text,) = result.stderr.splitlines()
    assert text.startswith(f"error: The kind 'clinic' of plugin 'ward' (clinic-box 1.2) is broken: {message}")
    assert text.endswith(f"({site / 'clinic_part.py'}:{line})")
    assert not (site / "run").exists(), "nothing is half-written"


def test_a_kind_that_cannot_be_imported_is_the_plugins_and_no_mistake_in_the_data(
    install: Install, tiny_encoder: Path, tmp_path: Path
) -> None:
    site = install("clinic-box", {"clinic": offers("kind", "clinic_part:Kind"), "clinic_part": "1 / 0"}, {"ward": "clinic"})
    (tmp_path / "tasks.toml").write_text(MOOD)
    result = run(tmp_path, tiny_encoder, site / "run")
    assert result.exit_code == 2
    assert (
        "The kind 'clinic' of plugin 'ward' (clinic-box 1.2) is broken: importing clinic_part:Kind failed" in result.stderr
    )


LATE = COMBINER.format("GramianCombiner", "weights", "self.calls = getattr(self, 'calls', 0) + 1") + (
    "        return torch.full([3], float('nan') if self.calls == 3 else 1.0)\n"
)


def test_a_weight_that_is_no_number_in_a_later_step_is_the_combiners_still(
    install: Install, tiny_corpus: Path, tiny_encoder: Path
) -> None:
    site = install("clinic-box", {"clinic": offers("combiner", "clinic_part:Combiner"), "clinic_part": LATE})
    result = run(tiny_corpus, tiny_encoder, site / "run", "--combiner", "clinic", "--steps", "6")
    assert result.exit_code == 2
    expected = "(clinic-box 1.2) is broken: its weights promises finite numbers, and gave the weights [nan, nan, nan]"
    assert expected in result.stderr


LISTENER = """
import mtk

class Listener:
    @mtk.hookimpl
    def mtk_progressed(self):
        {}
"""


def test_a_listener_that_fails_is_dropped_and_the_run_goes_on(
    install: Install, tiny_corpus: Path, tiny_encoder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    modules = {"clinic": offers("listener", "clinic_part:Listener"), "clinic_part": LISTENER.format("{}['x']")}
    site = install("clinic-box", modules, {"ward": "clinic"})
    result = run(tiny_corpus, tiny_encoder, site / "run", "--listen", "clinic", "--steps", "9")
    assert result.exit_code == 0
    assert "Done: best average" in result.stdout
    (warning,) = caplog.messages
    assert warning == (
        "The listener 'clinic' of plugin 'ward' (clinic-box 1.2) failed in mtk_progressed and hears no more of this run: "
        f"KeyError: 'x' ({site / 'clinic_part.py'}:7)"
    )


def test_the_user_can_interrupt_a_listener(install: Install, tiny_corpus: Path, tiny_encoder: Path) -> None:
    source = LISTENER.format("raise KeyboardInterrupt")
    site = install("clinic-box", {"clinic": offers("listener", "clinic_part:Listener"), "clinic_part": source})
    result = run(tiny_corpus, tiny_encoder, site / "run", "--listen", "clinic")
    assert result.exit_code == 130
    assert "Interrupted after" in result.stdout
