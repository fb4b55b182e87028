"""People write principals in many ways; they are compared in one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.principals import expand, expand_all, parse_principal

NAMES = st.sampled_from(
    ["user:a@x.y", "user:b@x.y", "domain:x.y", "group:1", "group:2", "group:3", "channel:slack:C1", "everyone"]
)


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("everyone", "everyone"),
        ("user:Ana@ACME.com", "user:ana@acme.com"),
        ("domain:ACME.com", "domain:acme.com"),
        ("group:People Ops", "group:People Ops"),
        ("role:discord:123", "role:discord:123"),
        ("channel:slack:C123", "channel:slack:C123"),
        ("workspace:slack:T1", "workspace:slack:T1"),
        ("group:Cafe\u0301", "group:Caf\u00e9"),
    ],
)
def test_a_principal_is_compared_in_one_form(written: str, compared: str) -> None:
    assert parse_principal(written) == compared


@pytest.mark.parametrize(
    "written", ["", "ana@acme.com", "user:", "user:ana acme", "domain:acme", "team:x", "group:a,b", "group: a"]
)
def test_what_could_never_be_anybody_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no reader"):
        parse_principal(written)


def test_a_person_holds_their_domain_and_every_group_around_them() -> None:
    groups = {
        "group:eng": ["user:ana@acme.com"],
        "group:makers": ["group:eng", "group:design"],
        "group:acme": ["domain:acme.com"],
        "group:others": ["user:bo@acme.com"],
    }
    assert expand({"user:ana@acme.com"}, groups) == {
        "everyone",
        "user:ana@acme.com",
        "domain:acme.com",
        "group:eng",
        "group:makers",
        "group:acme",
    }


def test_groups_that_hold_each_other_come_to_an_end() -> None:
    groups = {"group:a": ["group:b"], "group:b": ["group:a", "user:ana@acme.com"]}
    assert {"group:a", "group:b"} <= expand({"user:ana@acme.com"}, groups)


@given(
    readers=st.lists(st.frozensets(NAMES)),
    groups=st.dictionaries(NAMES.filter(lambda name: name.startswith("group")), st.frozensets(NAMES)),
)
def test_many_readers_hold_what_each_of_them_holds(readers: list[frozenset[str]], groups: dict[str, frozenset[str]]) -> None:
    assert expand_all(readers, groups) == {expand(reader, groups) for reader in readers}
