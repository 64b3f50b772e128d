"""Where the tests find WordNet: in NLTK_DATA, or else in the folder that developers share, if it is there."""

from __future__ import annotations

import os
from pathlib import Path

_SHARED = Path(__file__).parents[2] / "shared" / "nltk_data"

if _SHARED.is_dir():
    os.environ.setdefault("NLTK_DATA", str(_SHARED))  # read by NLTK when it is imported, here and in subprocesses
