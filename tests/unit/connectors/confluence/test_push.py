"""What a push notification is about."""

from __future__ import annotations

import json

import pytest

from connectors.confluence.push import hinted
from tests.emulators.confluence import Site, webhook


@pytest.mark.parametrize(
    ("told", "scope"),
    [
        ({"event": "page_updated", "page": {"id": 123, "spaceKey": "ENG"}}, "123"),
        ({"event": "blog_created", "blog": {"id": "124"}}, "124"),
        ({"event": "attachment_created", "attachments": [{"id": 77}], "attachedTo": {"id": 123}}, "123"),
        ({"event": "comment_created", "comment": {"id": 78, "parent": {"id": 123}}}, "123"),
        ({"scope": "ENG"}, "ENG"),
        ({"url": "https://acme.atlassian.net/wiki/spaces/ENG/pages/123"}, "https://acme.atlassian.net/wiki/spaces/ENG/pages/123"),
        ({"id": "123"}, "123"),
        ({"id": 123}, "123"),
    ],
)
def test_the_content_is_named(told: object, scope: str):
    assert hinted(json.dumps(told).encode()) == scope


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"{}",
        b'{"page": []}',
        b'{"page": {"id": true}}',
        b'{"page": {"id": -1}}',
        b'{"id": "../x"}',
        b'{"id": 1e99}',
        b'{"id": "' + b"1" * 500 + b'"}',
        b'{"scope": " "}',
        b'{"comment": {"id": 78}}',
        b'{"event": "space_updated", "space": {"key": "ENG"}}',
        b"[" * 100_000,
    ],
)
def test_what_names_nothing_is_a_hint_all_the_same(body: bytes):
    assert hinted(body) is None


@pytest.mark.parametrize(
    "event",
    ["page_moved", "page_trashed", "page_removed", "page_restored", "content_permissions_updated", "space_updated", "x", 7, None],
)
def test_what_may_matter_to_other_content_names_none(event: object):
    assert hinted(json.dumps({"event": event, "page": {"id": 123}}).encode()) is None


@pytest.mark.parametrize("event", ["page_created", "page_updated"])
def test_a_data_center_names_the_page(event: str):
    site = Site(data_center=True)
    page = site.page(site.space("ENG"), "Leave", "<p>x</p>")
    body, _ = webhook(site, "secret", event, page)
    assert hinted(body) == page.id
