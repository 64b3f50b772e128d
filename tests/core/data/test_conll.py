"""A sentence is a row: its words and what is said of them, however they are separated."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from kinds import make

from mtk.data.conll import sentences
from mtk.data.reading import parse_stream, read_texts
from mtk.file_form import FileForm
from mtk.task import Task

CONLL = """-DOCSTART- -X- O O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

# . I-NP O
"""
UNIVERSAL = """# sent_id = 1
# text = vámonos al mar
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_

"""


def rows(text: str, form: FileForm | None = None, *, universal: bool = False) -> list[object]:
    return list(sentences(text.splitlines(keepends=True), form or FileForm(), universal=universal))


def test_columns_without_a_name_are_called_by_their_number_from_either_end() -> None:
    first, second = rows(CONLL)
    assert first[0] == 3  # type: ignore[index]
    fields = first[1]  # type: ignore[index]
    assert fields["#1"] == "EU rejects"
    assert fields["#4"] == fields["#-1"] == "B-ORG O"
    assert second[1]["#1"] == "#"  # type: ignore[index]  # a word, and no comment


def test_columns_have_the_names_that_the_form_gives() -> None:
    form = FileForm(columns=("word", "pos", "chunk", "ner"))
    assert rows(CONLL, form)[0] == (3, {"word": "EU rejects", "pos": "NNP VBZ", "chunk": "B-NP B-VP", "ner": "B-ORG O"})


def test_the_universal_form_has_names_and_leaves_out_what_is_no_word() -> None:
    (row,) = rows(UNIVERSAL, universal=True)
    assert row[1]["form"] == "vamos nos"  # type: ignore[index]
    assert row[1]["upos"] == "VERB PRON"  # type: ignore[index]


def test_a_line_of_another_length_is_a_bad_row_and_no_other_sentence() -> None:
    found = rows("a O\nb\n\nc O\n")
    assert found[0] == (1, "line 2 has 1 columns, and the first of the sentence 2")
    assert found[1][1]["#1"] == "c"  # type: ignore[index]


def test_a_word_that_is_empty_is_named() -> None:
    ((line, reason),) = rows("a\tO\n\tO\n")  # type: ignore[misc]
    assert line == 1
    assert "is empty or holds white space" in str(reason)


NER = Task(name="ner", kind=make("tokens", ("O", "B-ORG")), text=("#1",), label="#-1", format="conll")


def test_sentences_are_predicted_whatever_the_name_of_their_file_ends_in(tmp_path: Path) -> None:
    for name in ("eng.testb", "eng.txt", "eng.conll"):
        (tmp_path / name).write_text(CONLL)
        assert read_texts(tmp_path / name, NER).texts == (["EU rejects", "#"],)
    said = parse_stream(BytesIO(CONLL.encode()), NER, Path("standard input"), FileForm(format="conll"))
    assert said.texts == (["EU rejects", "#"],)


def test_a_text_by_the_line_is_a_text_though_the_tasks_own_files_have_words(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("EU rejects\nthe call\n")
    assert read_texts(tmp_path / "a.txt", NER).texts == (["EU rejects", "the call"],)
    assert parse_stream(BytesIO(b"EU rejects\n"), NER, Path("standard input")).texts == (["EU rejects"],)
