"""What a page is made of: sections, and in them charts, tables and lists. How they look is `page.html`'s affair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mtk.study.report.charts import Spec


@dataclass(frozen=True)
class Key:
    """What a colour of a chart stands for."""

    name: str
    color: str  # as `charts` has it
    form: str = "line"  # line, dashes, dot, ring or field


@dataclass(frozen=True)
class Chart:
    """A drawing with what it shows."""

    title: str
    spec: Spec
    note: str = ""
    keys: Sequence[Key] = ()
    wide: bool = False  # whether it has a line for itself


@dataclass(frozen=True)
class Charts:
    """Drawings side by side, as many in a line as have room."""

    charts: Sequence[Chart]


@dataclass(frozen=True)
class Table:
    """Rows of text. Those of `numbers` are columns of numbers, by their places; those of `strong`, rows to be noticed."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    numbers: Sequence[int] = ()
    strong: Sequence[int] = ()
    folded: bool = False  # whether it is shown only when asked for


@dataclass(frozen=True)
class Facts:
    """A few figures, each with its name and what belongs to it."""

    facts: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Sentences:
    """What is said, by what it is of, a sentence each."""

    said: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Beside:
    """Tables side by side, where there is room."""

    tables: Sequence[Table]


@dataclass(frozen=True)
class Heading:
    """The name of what follows in a section."""

    title: str


Block = Charts | Table | Beside | Facts | Sentences | Text | Heading


@dataclass(frozen=True)
class Section:
    """A part of a page with a name."""

    title: str
    lead: str = ""
    blocks: Sequence[Block] = ()


@dataclass(frozen=True)
class Page:
    """A whole report: what is said of all runs, and then of some of them one by one."""

    title: str
    lead: str
    sections: Sequence[Section]
    details: dict[str, Sequence[Section]] = field(default_factory=dict)  # the name of a run -> its own
    notes: Sequence[str] = ()  # what somebody should know of the page, such as what was left out
