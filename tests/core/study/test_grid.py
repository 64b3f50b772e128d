"""Every combination of values is a row once, every seed of it a cell, and a mistake is told with its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mtk
from mtk.config import PRESETS, RunConfig, check
from mtk.study.cells import Cell
from mtk.study.grid import Row, axes_of, expand, read_rows

ROOT = Path(__file__).parents[3]


def cells(over: dict[str, Any] | None = None, **fields: Any) -> list[Cell]:
    return expand([Row("", axes_of(fields))], axes_of(over or {}))


def test_every_combination_is_a_row_and_the_seeds_of_a_row_are_together() -> None:
    found = cells(combiner=["sum", "pcgrad"], dropout=[0.1, 0.3], seed=[0, 7], epochs=2)
    assert [cell.row for cell in found[::2]] == [
        f"combiner={combiner}, dropout={dropout}" for combiner in ("sum", "pcgrad") for dropout in (0.1, 0.3)
    ]
    assert [cell.seed for cell in found] == [0, 7] * 4
    assert len({cell.directory for cell in found}) == len(found)
    assert all(check(cell.settings).epochs == 2 and check(cell.settings).seed == cell.seed for cell in found)


def test_settings_by_task_and_lists_have_several_values_too() -> None:
    found = cells(heads={"sst": ["cnn", "linear"], "para": "cosine"}, stages=[[], ["mlm:epochs=1"]])
    assert [(cell.settings["heads"], cell.settings["stages"]) for cell in found] == [
        ({"sst": head, "para": "cosine"}, stages) for head in ("cnn", "linear") for stages in ([], ["mlm:epochs=1"])
    ]
    assert [cell.settings["stages"] for cell in cells(stages=["mlm:epochs=1"])] == [["mlm:epochs=1"]]
    assert [cell.row for cell in cells(batch_size=[8, 16])] == ["batch_size=8", "batch_size=16"]


def test_flags_win_over_rows_rows_over_the_file_and_that_over_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(
        'preset = "study"\nepochs = 4\nheads = { sst = "cnn" }\nseed = [1, 2]\n'
        '[[row]]\nname = "a"\n[[row]]\nname = "b"\nepochs = 5\nheads = { para = "cosine" }\ncombiner = ["sum", "pcgrad"]\n'
    )
    rows = read_rows(file)
    found = expand(rows, axes_of({"dropout": 0.5, "seed": [3]}))
    assert [cell.row for cell in found] == ["a", "b, combiner=sum", "b, combiner=pcgrad"]
    assert [check(cell.settings).epochs for cell in found] == [4, 5, 5]
    assert {check(cell.settings).learning_rate for cell in found} == {PRESETS["study"]["learning_rate"]}
    assert {check(cell.settings).dropout for cell in found} == {0.5}
    assert {cell.seed for cell in found} == {3}
    assert found[1].settings["heads"] == {"sst": "cnn", "para": "cosine"}
    assert {str(cell.settings["heads"]) for cell in expand(rows, axes_of({"heads": "linear"}))} == {"{'*': 'linear'}"}


def test_one_run_alone_is_one_cell_of_the_defaults() -> None:
    (cell,) = cells()
    assert check(cell.settings) == RunConfig(seed=0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("combiner = [", "this is not TOML"),
        ("combinor = 'sum'", "there is no setting 'combinor'. Did you mean combiner"),
        ("versions = { a = 'b' }", "there is no setting 'versions'"),
        ("epochs = [1, 'x']", "Expected `int`, got `str`"),
        ("epochs = []", "epochs has no value"),
        ("epochs = [2, 2]", "epochs has the value 2 twice"),
        ("preset = 'studdy'", "there is no preset 'studdy'. Did you mean study"),
        ("row = 3", r"`row` is written \[\[row\]\]"),
        ("[[row]]\nepochs = 2", r"each \[\[row\]\] has a `name"),
        ("[[row]]\nname = 'a'\n[[row]]\nname = 'a'", "two rows are called 'a'"),
        ("[[row]]\nname = 'a'\ncombinor = 'sum'", "row 'a': there is no setting 'combinor'"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_key(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(content)
    with pytest.raises(mtk.DataError, match=said) as caught:
        read_rows(file)
    assert str(file) in str(caught.value)


def test_two_rows_that_are_one_run_are_told() -> None:
    with pytest.raises(mtk.UsageError, match="The rows 'a' and 'b' are one run, with seed 0"):
        expand([Row("a", axes_of({"epochs": 3})), Row("b", axes_of({}))])


def test_a_range_is_no_grid() -> None:
    axes = axes_of({"learning_rate": "1e-5..1e-3", "epochs": "1..4"})
    assert [(values[0].low, values[0].high, values[0].whole, values[0].log) for values in axes.values()] == [
        (1e-5, 1e-3, False, True),
        (1, 4, True, False),
    ]
    with pytest.raises(mtk.UsageError, match="learning_rate is a range: --search N draws from it"):
        expand([Row("", axes)])
    with pytest.raises(mtk.UsageError, match=r"dropout"):
        axes_of({"dropout": "0..5"})


def test_a_name_is_a_directory_wherever_files_have_names() -> None:
    names = ["../../x", "a/b", ".", "x" * 500, "EDA 15 %", "Ä"]
    found = expand([Row(name, axes_of({"epochs": number})) for number, name in enumerate(names, start=1)])
    assert all(cell.directory == Path(cell.directory).name and len(cell.directory) < 120 for cell in found)
    assert len({cell.directory for cell in found}) == len(names)


def test_the_studys_table_is_as_the_study_set_it() -> None:
    found = expand(read_rows(ROOT / "experiments" / "table1.toml"))
    assert len(found) == 13 * 3
    for cell in found:
        config = check(cell.settings)
        surgery = cell.row.startswith("surgery")
        assert config.combiner.endswith("pcgrad" if surgery else "sum")
        rate = 5e-6 if surgery else 1e-5
        assert (config.batch_size, config.learning_rate, config.head_learning_rate) == (4 if surgery else 8, rate, rate)
        assert (config.epochs, config.dropout) == (10, 0.3)
        assert (config.heads == {"*": "linear"}) is cell.row.startswith("baseline")
        eda = cell.row.partition("EDA ")[2].removesuffix(" %")
        spec = f"eda:alpha={int(eda) / 100:g},copies=9" if eda else None
        assert config.augment == ({"sst": spec, "sts": spec} if eda else {})
    levels = {cell.row.split(",")[0]: 0 for cell in found}
    assert list(levels) == ["baseline heads", "task-specific heads", "surgery"]
