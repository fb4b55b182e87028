"""What the README claims beside others, and what is demanded of the platforms: each has a test that is really there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
README, BEHAVIOURS = (ROOT / "README.md").read_text(), (ROOT / "tests" / "BEHAVIOURS.md").read_text()

Row = tuple[str, ...]


def rows(text: str) -> list[Row]:
    """The cells of the tables, without their heads."""
    found: list[Row] = []
    in_body = False
    for line in text.splitlines():
        if in_body and line.startswith("|"):
            found.append(tuple(cell.strip() for cell in line.strip("|").split(" | ")))
        else:
            in_body = line.startswith("|---")
    return found


def named(cell: str) -> list[str]:
    """``path/of/file.py::test``, or a file, below ``tests/``."""
    found = re.findall(r"`((?:[\w/]+/)?\w+\.py(?:::\w+)?)`", cell)
    return [name if name.startswith(("unit/", "conftest.py")) else f"e2e/{name}" for name in found]


@cache
def functions(path: Path) -> set[str]:
    found = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def is_there(name: str) -> bool:
    file, _, function = name.partition("::")
    path = ROOT / "tests" / file
    return path.is_file() and (not function or function in functions(path))


def compared() -> dict[str, set[str]]:
    """The rows of the README's comparison (``Slack: Streaming``), each with the files that it links."""
    found: dict[str, set[str]] = {}
    section = README.partition("\n## Beside others\n")[2].partition("\n## ")[0]
    for part in section.split("<details>")[1:]:
        [platform] = re.findall(r"<summary><b>(\w+)</b>, in \d+ rows", part)
        table = {f"{platform}: {row[0]}": row for row in rows(part)}
        assert re.search(rf"in {len(table)} rows", part), f"the head of {platform} counts its rows wrongly"
        found |= {label: set(re.findall(r"\(tests/([^)]+)\)", row[2])) for label, row in table.items()}
    return found


def test_every_test_that_is_named_is_there() -> None:
    assert [name for name in named(BEHAVIOURS) if not is_there(name)] == []


def test_each_of_the_behaviours_has_its_tests() -> None:
    demanded = BEHAVIOURS.partition("\n## What the README")[0]
    assert [int(number) for number, *_ in rows(demanded) if number] == list(range(1, 25))
    assert [behaviour for _, behaviour, tests in rows(demanded) if not named(tests)] == []


def test_each_row_of_the_comparison_links_the_files_of_its_tests() -> None:
    promised = BEHAVIOURS.partition("\n## What the README")[2]
    claimed = {label: {name.partition("::")[0] for name in named(tests)} for label, tests in rows(promised)}
    assert compared() == claimed
    assert all(claimed.values())
