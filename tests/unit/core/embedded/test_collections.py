"""Collections on a disk: what survives a crash half way, and a disk that fills up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.embedded.api import CALLS
from core.embedded.collections import Collections
from core.embedded.datadir import DataDir
from core.embedded.fields import Refused
from core.errors import ConfigError

PLAIN = {"vectors": {"size": 2, "distance": "Dot"}}


def opened(root: Path, **options: Any) -> Collections:
    collections = Collections(root, **options)
    collections.load()
    return collections


def call(collections: Collections, method: str, path: str, body: Any = None) -> Any:
    (found,) = (call for known, template, call in CALLS if (known, template) == (method, "/collections/{collection}" + path))
    return found(collections, {"collection": "c"}, body)


def point(number: int) -> dict[str, Any]:
    return {"id": number, "vector": [1.0, float(number)]}


def test_a_collection_survives_being_closed(tmp_path: Path) -> None:
    collections = opened(tmp_path)
    collections.create("c", {**PLAIN, "metadata": {"by": "test"}})
    call(collections, "PUT", "/points", {"points": [point(1)]})
    collections.close()
    collections = opened(tmp_path)
    assert list(collections) == ["c"]
    assert call(collections, "POST", "/points/count", {}) == {"count": 1}
    assert call(collections, "GET", "")["config"]["metadata"] == {"by": "test"}


def test_metadata_is_merged_and_kept(tmp_path: Path) -> None:
    collections = opened(tmp_path)
    collections.create("c", {**PLAIN, "metadata": {"a": 1, "b": 1}})
    call(collections, "PATCH", "", {"metadata": {"b": 2}})
    collections.close()
    assert call(opened(tmp_path), "GET", "")["config"]["metadata"] == {"a": 1, "b": 2}


def test_what_a_crash_left_half_made_or_half_deleted_is_gone_at_the_next_start(tmp_path: Path) -> None:
    collections = opened(tmp_path)
    for name in ("made", "dropped"):
        collections.create(name, PLAIN)
    collections.close()
    (tmp_path / "live" / "made").rename(tmp_path / "draft" / "made")
    (tmp_path / "live" / "dropped").rename(tmp_path / "grave" / "dropped")
    collections = opened(tmp_path)
    assert list(collections) == []
    assert list(tmp_path.rglob("shard")) == []
    collections.create("made", PLAIN)
    assert list(collections) == ["made"]


def test_a_dropped_collection_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    collections = opened(tmp_path)
    collections.create("c", PLAIN)
    assert collections.drop("c")
    assert not collections.drop("c")
    assert list(tmp_path.rglob("shard")) == []


def test_vacuuming_gives_the_place_of_deleted_points_back(tmp_path: Path) -> None:
    collections = opened(tmp_path)
    collections.create("c", PLAIN)
    call(collections, "PUT", "/points", {"points": [{**point(number), "payload": {"t": "x" * 5000}} for number in range(2000)]})
    call(collections, "POST", "/points/delete", {"points": list(range(1900))})
    collections.flush()
    before = blocks(tmp_path / "live" / "c" / "shard" / "segments")
    collections.vacuum()
    collections.flush()
    assert blocks(tmp_path / "live" / "c" / "shard" / "segments") < before / 3
    assert call(collections, "POST", "/points/count", {}) == {"count": 100}


def blocks(folder: Path) -> int:
    return sum(path.stat().st_blocks for path in folder.rglob("*") if path.is_file())


def test_a_nearly_full_disk_refuses_what_grows_and_allows_deleting(tmp_path: Path) -> None:
    collections = opened(tmp_path)
    collections.create("c", PLAIN)
    call(collections, "PUT", "/points", {"points": [point(1), point(2)]})
    collections.close()
    full = opened(tmp_path, reserve=2**60)
    with pytest.raises(Refused, match="Free some space") as refused:
        call(full, "PUT", "/points", {"points": [point(3)]})
    assert refused.value.status == 507
    with pytest.raises(Refused, match="Free some space"):
        full.create("d", PLAIN)
    call(full, "POST", "/points/delete", {"points": [1]})
    assert call(full, "POST", "/points/count", {}) == {"count": 1}


def test_the_engines_do_not_start_on_a_disk_without_room(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    data.check_room()
    with pytest.raises(ConfigError, match=r"MB free.*FOOTNOTE_DATA_DIR"):
        data.check_room(2**60)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({}, "without vectors"),
        ({"vectors": {"dense": {"size": 0, "distance": "Dot"}}}, "size"),
        ({"vectors": {"dense": {"size": 4, "distance": "Far"}}}, "distance"),
        ({"vectors": {"dense": {"size": 4, "distance": "Dot", "color": 1}}}, "color"),
        ({**PLAIN, "shard_number": 2}, "shard_number"),
        ({**PLAIN, "strict_mode_config": {"enabled": True}}, "strict_mode_config"),
        ({"sparse_vectors": {"s": {"modifier": "tf"}}}, "tf"),
        ({"vectors": 5}, "vectors"),
    ],
)
def test_a_collection_that_the_engine_cannot_make_is_refused_by_name(tmp_path: Path, wrong: Any, named: str) -> None:
    collections = opened(tmp_path)
    with pytest.raises(Refused, match=named):
        collections.create("c", wrong)
    assert list(collections) == []


def aliased(alias: str, name: str) -> dict[str, Any]:
    return {"create_alias": {"alias_name": alias, "collection_name": name}}


def test_aliases_survive_being_closed_and_go_with_their_collection(tmp_path: Path) -> None:
    collections = opened(tmp_path)
    for name in ("c", "d"):
        collections.create(name, PLAIN)
    collections.change_aliases([aliased("of c", "c"), aliased("of d", "d"), aliased("also of d", "d")])
    collections.close()
    collections = opened(tmp_path)
    assert collections["of c"] is collections["c"]
    assert collections.drop("d")
    collections.close()
    assert opened(tmp_path).aliases == {"of c": "c"}


def test_an_alias_whose_collection_was_gone_when_the_engine_was_killed_is_gone_too(tmp_path: Path) -> None:
    collections = opened(tmp_path)
    collections.create("c", PLAIN)
    collections.change_aliases([aliased("a", "c")])
    collections.close()
    (tmp_path / "live" / "c").rename(tmp_path / "grave" / "c")
    collections = opened(tmp_path)
    assert (dict(collections.aliases), "a" in collections) == ({}, False)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (aliased("a", "nothing"), 404),
        (aliased("a", "of c"), 404),
        (aliased("d", "c"), 409),
        (aliased("", "c"), 400),
        ({"rename_alias": {"old_alias_name": "x", "new_alias_name": "y"}}, 404),
        ({"create_alias": {"alias_name": "a"}}, 400),
        ({"drop_alias": {"alias_name": "of c"}}, 400),
        ({**aliased("a", "c"), "delete_alias": {"alias_name": "of c"}}, 501),
        ("of c", 400),
    ],
)
def test_a_change_of_aliases_is_done_as_a_whole_or_not_at_all(tmp_path: Path, wrong: Any, status: int) -> None:
    collections = opened(tmp_path)
    for name in ("c", "d"):
        collections.create(name, PLAIN)
    collections.change_aliases([aliased("of c", "c")])
    with pytest.raises(Refused) as refused:
        collections.change_aliases([{"delete_alias": {"alias_name": "of c"}}, aliased("new", "d"), wrong])
    assert refused.value.status == status
    assert dict(collections.aliases) == {"of c": "c"}


def test_no_collection_takes_the_name_of_an_alias(tmp_path: Path) -> None:
    collections = opened(tmp_path)
    collections.create("c", PLAIN)
    collections.change_aliases([aliased("a", "c")])
    with pytest.raises(Refused, match="Alias with the same name"):
        collections.create("a", PLAIN)
    assert not collections.drop("a")
