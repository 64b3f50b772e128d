"""`mtk advise` says what the figures support, as lines or as JSON; each sentence has its figure."""

from __future__ import annotations

import json
import re
from pathlib import Path

from command_line import invoke


def test_each_sentence_has_its_figure(finished: Path) -> None:
    result = invoke("advise", str(finished), "--json")
    assert result.exit_code == 0, result.output
    findings = json.loads(result.stdout)
    assert findings
    for finding in findings:
        assert finding.keys() == {"topic", "text"} and re.search(r"\d", finding["text"])
    plain = invoke("advise", str(finished)).output
    assert all(" ".join(finding["text"].split()) in " ".join(plain.split()) for finding in findings)


def test_where_nothing_is_supported_nothing_is_made_up(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("seed = 3\n")
    assert invoke("advise", str(tmp_path)).output == "The figures support nothing that could be said.\n"


def test_what_is_no_run_is_answered(tmp_path: Path) -> None:
    result = invoke("advise", str(tmp_path / "none"))
    assert result.exit_code == 1 and "neither a run nor a sweep" in result.output
