"""A report is one well-formed page that asks for nothing: no address in it leads elsewhere, what came from outside is text,
and in a browser it opens without an error, by day and by night, for a mouse and for a keyboard."""

from __future__ import annotations

import html.parser
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from mtk.errors import DataError, UsageError
from mtk.study.curves import Point
from mtk.study.entries import read_entries
from mtk.study.report.blocks import Beside, Chart, Charts, Facts, Heading, Page, Section, Sentences, Table, Text
from mtk.study.report.charts import Line, lines
from mtk.study.report.page import MOST_BYTES, page_of, rendered, with_details, write_report

pytest.importorskip("vl_convert")

NASTY = """</script><script>alert('x')</script><img src="https://example.org/x.png" onerror=alert(1)>&lt;"""
VOID = {"meta", "input", "br", "img", "link", "hr"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Read(html.parser.HTMLParser):
    """What stands in a page: its elements, whether each is closed where it should be, its addresses and its names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"{self.open} are never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        given = dict(attrs)
        self.addresses += [given[name] or "" for name in ("src", "href", "action", "data", "poster") if name in given]
        self.ids += [given["id"] or ""] if "id" in given else []
        assert not [name for name in given if name.startswith("on")], "a handler in the markup"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def checked(text: str) -> Read:
    """A page that is whole in itself."""
    read = Read(text)
    assert [address for address in read.addresses if not address.startswith("#")] == []
    assert {address[1:] for address in read.addresses} <= set(read.ids), "a link that leads nowhere"
    assert [name for name, count in Counter(read.ids).items() if count > 1] == []
    assert not re.search(r"@import|url\(|<base|<iframe|<object|<link", text)
    assert set(re.findall(r"https?://[^\"' <]*", text)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert (read.tags["h1"], read.tags["main"], read.tags["title"], read.tags["script"]) == (1, 1, 1, 1)
    assert "default-src 'none'" in text
    return read


@pytest.fixture(scope="module")
def one(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "one.html"
    write_report([run], out)
    return out


@pytest.fixture(scope="module")
def several(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "several.html"
    write_report([study], out)
    return out


def test_a_runs_page_is_whole_and_small(one: Path) -> None:
    read = checked(one.read_text())
    assert one.stat().st_size < 600_000
    assert read.tags["svg"] == 21 and read.tags["table"] >= 9
    assert "surgery-0" in read.words


def test_several_runs_stand_beside_one_another_and_one_by_one(several: Path) -> None:
    text = several.read_text()
    checked(text)
    assert several.stat().st_size < MOST_BYTES
    assert text.count('<details class="run">') == 4


def test_runs_that_have_no_room_are_named_as_left_out(study: Path) -> None:
    entries = read_entries([study])
    page = page_of(entries)
    small, text = with_details(page, entries, most=len(rendered(page).encode()) + 400_000)
    assert 0 < len(small.details) < 4
    assert f"{4 - len(small.details)} of 4 runs are not shown one by one" in small.notes[0]
    assert small.notes[0].partition(":")[0] in text
    rows = {entry.row for entry in entries}
    assert {name.rpartition(", seed")[0] for name in list(small.details)[:2]} <= rows


def test_whatever_comes_from_outside_is_text() -> None:
    table = Table([NASTY], [[NASTY]], NASTY)
    chart = Chart(NASTY, lines([Line(NASTY, [Point(1, 1.0), Point(2, 2.0)])]), NASTY)
    said = [
        Facts([(NASTY,) * 3]),
        Sentences({NASTY: [NASTY]}),
        Text(NASTY),
        Heading(NASTY),
        Charts([chart]),
        Beside([table]),
    ]
    text = rendered(Page(NASTY, NASTY, [Section(NASTY, NASTY, [*said, table])], {NASTY: []}, [NASTY]))
    read = Read(text)
    assert (read.tags["script"], read.tags["img"]) == (1, 0)
    assert read.addresses == ["#main", "#s1", "#runs"]


def test_a_page_that_is_no_report_is_not_written_over(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.html"
    out.write_text("<h1>Mine</h1>")
    with pytest.raises(UsageError, match=r"mine\.html is there and is no report"):
        write_report([run], out)
    assert out.read_text() == "<h1>Mine</h1>"
    out.unlink()
    write_report([run], out)
    write_report([run], out)


def test_where_nothing_has_begun_there_is_no_page(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("nothing = 1")
    with pytest.raises(DataError, match="There is no run to report yet"):
        write_report([tmp_path], tmp_path / "out.html")
    assert not (tmp_path / "out.html").exists()


TRIED = """
<script>
const told = [];
addEventListener("securitypolicyviolation", (event) => told.push("blocked " + event.blockedURI));
addEventListener("error", (event) => told.push("error " + event.message));
const key = (at, name) => at.dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true, cancelable: true}));
const paper = () => getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();
addEventListener("load", () => {
  const drawing = document.querySelector(".drawing"), tip = document.getElementById("tip");
  const said = [];
  key(drawing, "ArrowRight"); said.push(tip.textContent);
  key(drawing, "End"); said.push(tip.textContent);
  key(drawing, "Home"); said.push(tip.textContent);
  key(drawing, "Escape"); said.push(String(tip.hidden));
  const mark = drawing.querySelector(".role-mark [aria-label]").getBoundingClientRect();
  const at = {clientX: mark.x + 1, clientY: mark.y + 1, bubbles: true};
  drawing.dispatchEvent(new PointerEvent("pointermove", at)); said.push(tip.textContent);
  const papers = ["light", "dark", "auto"].map((name) => {
    document.querySelector(`#theme input[value=${name}]`).click();
    return paper();
  });
  dispatchEvent(new Event("beforeprint"));
  const folded = document.querySelectorAll("details:not([open])").length;
  const resources = performance.getEntriesByType("resource").length;
  const wide = document.documentElement.scrollWidth - innerWidth;
  document.title = JSON.stringify({told, said, papers, folded, resources, wide});
});
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1200, 500])
def test_in_a_browser_it_works_and_asks_for_nothing(one: Path, tmp_path: Path, dark: bool, width: int) -> None:
    assert CHROMIUM
    tried = tmp_path / "tried.html"
    tried.write_text(one.read_text().replace("</head>", f"{TRIED}</head>"))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}"]
    flags += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--window-size={width},900"]
    command = [CHROMIUM, *flags, "--enable-logging=stderr", "--dump-dom", tried.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr, done.stderr
    title = re.search(r"<title>(\{.*?\})</title>", done.stdout)
    assert title, done.stdout[:500]
    found = msgspec.json.decode(html.unescape(title[1]))
    assert found["told"] == [] and found["resources"] == 0
    first, last, again, hidden, pointed = found["said"]
    assert first == again == pointed and first.startswith("sst, training loss, step ") and last != first
    assert hidden == "true"
    day, night, by_itself = found["papers"]
    assert day != night and by_itself == (night if dark else day)
    assert found["folded"] == 0, "all is open on paper"
    assert found["wide"] <= 0, "nothing is wider than the window"
