"""The image's lock file installs what pyproject.toml asks for, by hash, from wherever the builder is told to."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[3]
LOCK = (ROOT / "deploy" / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REFRESH = "uv export --no-dev --no-emit-project --no-emit-index-url --no-header --no-annotate -o deploy/requirements.lock"


def entries() -> dict[str, tuple[Version, int]]:
    """Package to its version and the number of its hashes."""
    found: dict[str, tuple[Version, int]] = {}
    for entry in re.split(r"\n(?=\S)", LOCK.strip()):
        requirement = Requirement(entry.partition("\\")[0].strip())
        (pin,) = requirement.specifier
        assert pin.operator == "==", entry
        found[canonicalize_name(requirement.name)] = (Version(pin.version), len(re.findall(r"--hash=sha256:[0-9a-f]{64}", entry)))
    return found


@pytest.mark.parametrize("line", PROJECT["project"]["dependencies"])
def test_every_dependency_is_locked_to_a_version_that_fits(line: str) -> None:
    wanted = Requirement(line)
    version, _ = entries()[canonicalize_name(wanted.name)]
    assert version in wanted.specifier, f"refresh the lock: {REFRESH}"


def test_every_package_has_hashes_and_none_an_address() -> None:
    assert all(hashes for _, hashes in entries().values())
    assert "://" not in LOCK
    assert "--index-url" not in LOCK


def test_nothing_that_only_the_tests_need_is_in_the_image() -> None:
    groups = PROJECT["dependency-groups"]
    assert not {canonicalize_name(Requirement(line).name) for group in groups.values() for line in group} & (
        entries().keys() - {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]}
    )


def test_the_readme_says_how_to_refresh_it() -> None:
    assert REFRESH in (ROOT / "deploy" / "README.md").read_text()


def test_no_model_brings_code_of_its_own() -> None:
    files = [path for part in ("bots", "connectors", "core") for path in (ROOT / part).rglob("*.py")]
    assert len(files) > 100
    assert [path for path in files if "trust_remote_code" in path.read_text()] == []
