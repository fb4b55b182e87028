from __future__ import annotations

import pytest

from connectors.folder.access import AccessUnknown, access_of, gates_of, parse_access_file, principals
from core.models import PUBLIC, Access


def access(path: str, **files: str) -> Access:
    """Who may read ``path`` under these access files, by folder (``_`` is the root)."""
    parsed = []
    for folder, text in files.items():
        parts = () if folder == "_" else tuple(folder.split("/"))
        parsed.append(parse_access_file(text, parts, f"{folder}/.access.toml"))
    return access_of(gates_of(parsed, tuple(path.split("/"))))


def gates(*readers: str) -> Access:
    return Access(gates=tuple(frozenset(gate.split()) for gate in readers))


def test_without_a_declaration_everyone_may_read():
    assert access("a.md") == PUBLIC


def test_a_folder_says_who_may_read_its_files():
    assert access("a.md", _='read = ["group:staff", "user:ana@acme.com"]') == gates("group:staff user:ana@acme.com")


def test_a_folder_inside_narrows_and_never_widens():
    nested = access("people/pay.md", _='read = ["group:staff"]', people='read = ["everyone"]')
    assert nested == gates("everyone", "group:staff")
    assert not nested.admits(frozenset({"everyone"}))


def test_a_rule_of_a_folder_inside_does_not_hold_for_files_beside_it():
    assert access("a.md", _='read = ["group:staff"]') == access("a.md", _='[files]\n"**" = ["group:staff"]')


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("pay.md", "pay.md", True),
        ("pay.md", "a/b/pay.md", True),
        ("/pay.md", "a/pay.md", False),
        ("/pay.md", "pay.md", True),
        ("people/*.md", "people/pay.md", True),
        ("people/*.md", "people/deep/pay.md", False),
        ("people/**/*.md", "people/deep/er/pay.md", True),
        ("people/**", "people/deep/er/pay.md", True),
        ("people", "people/deep/pay.md", True),
        ("people/", "people/deep/pay.md", True),
        ("people", "a/people/pay.md", True),
        ("pay-*", "pay-2026.md", True),
        ("pay-[0-9]*", "pay-x.md", False),
        ("PAY.md", "pay.MD", True),
        ("geha\u0308lter.md", "geh\u00e4lter.md", True),
        ("**/**/**/**/x.md", "a/b/c/d/e/f/g/h/x.md", True),
    ],
)
def test_patterns_name_files_and_whole_folders(pattern: str, path: str, matches: bool):
    expected = gates("group:hr") if matches else PUBLIC
    assert access(path, _=f'[files]\n"{pattern}" = ["group:hr"]') == expected


def test_every_rule_that_applies_is_a_gate_of_its_own():
    text = 'read = ["group:staff"]\n[files]\n"pay*" = ["group:hr"]\n"*.md" = ["group:office"]'
    assert access("pay.md", _=text) == gates("group:hr", "group:office", "group:staff")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("read = [", "not valid TOML"),
        ("", "does not say who may read"),
        ("read = []", "names no reader"),
        ("read = 3", "names no reader"),
        ('read = ["staff"]', "'staff' is no reader"),
        ('read = ["group:"]', "is no reader"),
        ('read = ["user:ana acme"]', "is no reader"),
        ('read = ["domain:acme"]', "is no reader"),
        ('read = ["group:a, group:b"]', "is no reader"),
        ('read = ["Everyone"]', "is no reader"),
        ('reed = ["group:staff"]', "'reed', which means nothing"),
        ('read = ["everyone"]\naccess = ["group:a"]', "does not say who may read"),
        ('[files]\n"../x" = ["group:a"]', "the pattern '../x'"),
        ('[files]\n"" = ["group:a"]', "the pattern ''"),
        ('files = "x"', "does not say who may read"),
        ('[files]\n"x" = [3]', "which is not text"),
    ],
)
def test_what_cannot_be_understood_admits_nobody_and_says_why(text: str, complaint: str):
    with pytest.raises(AccessUnknown, match=complaint):
        access("a.md", _=text)


def test_a_broken_file_above_closes_everything_below():
    with pytest.raises(AccessUnknown, match=r"_/\.access\.toml"):
        access("people/deep/a.md", _="nonsense", people='read = ["everyone"]')


def test_addresses_are_compared_in_lower_case_and_group_names_as_they_are():
    assert principals(["user:Ana@Acme.COM", "domain:Acme.com", "group:People Ops"], "here") == {
        "user:ana@acme.com",
        "domain:acme.com",
        "group:People Ops",
    }
