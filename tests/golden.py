"""Payloads as they were found good: any change of what people see shows in a diff.

``pytest --update-golden`` writes them anew; whoever does so looks at the page of ``footnote preview`` first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data" / "golden"


class Golden:
    def __init__(self, *, update: bool) -> None:
        self._update = update

    def check(self, name: str, payloads: Any) -> None:
        """``name`` is that of a file, ``slack/answer``."""
        path = FOLDER / f"{name}.json"
        text = json.dumps(payloads, ensure_ascii=False, indent=2) + "\n"
        if self._update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"there is no {path}: run pytest --update-golden and look at what it wrote"
        assert json.loads(text) == json.loads(path.read_text(encoding="utf-8")), f"{name} is not as it was found good"

    def names(self, platform: str) -> set[str]:
        """Of all that were written."""
        return {path.stem for path in (FOLDER / platform).glob("*.json")}
