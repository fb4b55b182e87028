from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.folder.access import AccessUnknown
from connectors.folder.front_matter import split_front_matter


def readers(head: str) -> frozenset[str] | None:
    return split_front_matter(f"---\n{head}\n---\nbody\n")[0].readers


@pytest.mark.parametrize(
    "head", ["access: [group:hr]", "read: group:hr", "Access:\n  - group:hr", '"access": ["group:hr"]', "{access: [group:hr]}"]
)
def test_the_page_says_who_may_read_it(head: str):
    assert readers(head) == {"group:hr"}


def test_front_matter_is_no_part_of_the_body():
    front, body = split_front_matter("---\ntitle: Leave & absence\nupdated: 2026-01-12\n---\n# Leave\n")
    assert body == "# Leave\n"
    assert (front.title, front.updated, front.readers) == ("Leave & absence", datetime(2026, 1, 12, tzinfo=UTC), None)


@pytest.mark.parametrize(
    "text",
    [
        "# No front matter\n",
        "---\nA line between two rules\n---\nmore\n",
        "---\njust a rule above\n",
        "text\n---\naccess: [x]\n---\n",
        "",
    ],
)
def test_text_that_only_looks_like_front_matter_stays(text: str):
    front, body = split_front_matter(text)
    assert (front.readers, body) == (None, text)


def test_front_matter_that_is_no_yaml_and_does_not_speak_of_access_is_dropped():
    front, body = split_front_matter("---\ntitle: Postmortem: the gate\n---\nbody")
    assert (front.readers, body) == (None, "body")


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        ("access:", "is no reader|names no reader"),
        ("access: []", "names no reader"),
        ("access: staff", "'staff' is no reader"),
        ("access: {group: hr}", "names no reader"),
        ("access: [group: hr]", "not text"),
        ("access: [[group:hr]]", "not text"),
        ("access: no", "'no' is no reader"),
        ("access: [group:hr\ntitle: x", "not valid YAML"),
        ("access: [group:hr]\naccess: [everyone]", "says 'access' twice"),
        ("access: [group:hr]\nread: [everyone]", "both `access` and `read`"),
        ("acess: [group:hr]", "'acess'"),
        ("private: true", "'private'"),
        ("base: &b {access: [group:hr]}\n<<: *b", "'<<'"),
        ("- access: [group:hr]", "not a list of `name: value` lines"),
        ("access: !!python/object:os.system [x]", "is no reader"),
    ],
)
def test_a_declaration_that_cannot_be_understood_is_never_public(head: str, complaint: str):
    with pytest.raises(AccessUnknown, match=complaint):
        readers(head)


def test_a_declaration_that_is_cut_off_is_never_public():
    with pytest.raises(AccessUnknown, match="no closing line"):
        split_front_matter("---\naccess: [group:hr]\n# Salaries\n")


def test_windows_line_ends_are_fine():
    front, body = split_front_matter("---\r\naccess: [group:hr]\r\n---\r\nbody\r\n")
    assert (front.readers, body) == ({"group:hr"}, "body\r\n")


def test_a_yaml_bomb_is_not_unfolded():
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(
        f"b{i}: &b{i} [{','.join(['*a' if i == 0 else f'*b{i - 1}'] * 9)}]" for i in range(40)
    )
    assert split_front_matter(f"---\n{bomb}\n---\nbody")[0].readers is None


@given(st.text(max_size=200))
def test_whatever_the_head_says_it_is_read_or_refused(head: str):
    with suppress(AccessUnknown):
        assert split_front_matter(f"---\n{head}\n---\nbody")[1].endswith("body")


@pytest.mark.parametrize(
    ("owner", "owners"),
    [
        ("owner: Ana@ACME.com", ("user:ana@acme.com",)),
        ("owner: [user:ana@acme.com, ben@acme.com, ana@acme.com]", ("user:ana@acme.com", "user:ben@acme.com")),
        ("owner: the people team", ()),
        ("owner: {name: ana@acme.com}", ()),
        ("owner:", ()),
        ("title: x", ()),
    ],
)
def test_who_looks_after_a_page_is_named_by_address(owner: str, owners: tuple[str, ...]):
    assert split_front_matter(f"---\n{owner}\n---\nbody")[0].owners == owners
