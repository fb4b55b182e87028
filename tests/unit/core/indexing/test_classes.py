"""What an audience may read is the same, asked of one access class or of all at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.indexing.classes import passed_by
from core.models import ANYONE, PUBLIC, Access, Audience

NAMES = st.sampled_from(["everyone", "user:a@x.y", "user:b@x.y", "group:1", "group:2", "channel:slack:C1"])
ACCESSES = st.lists(st.lists(st.frozensets(NAMES), min_size=1, max_size=3).map(lambda gates: Access(gates=tuple(gates))))
AUDIENCES = st.frozensets(st.frozensets(NAMES)).map(lambda readers: Audience(readers=readers))


@given(accesses=ACCESSES, audience=AUDIENCES)
def test_all_at_once_are_those_that_are_passed_one_by_one(accesses: list[Access], audience: Audience) -> None:
    classes = {access.class_id: access for access in accesses}
    assert passed_by(audience, classes) == {name: access for name, access in classes.items() if audience.may_read(access)}


def test_nobody_passes_nothing_and_anyone_what_is_public() -> None:
    classes = {PUBLIC.class_id: PUBLIC}
    assert passed_by(Audience(readers=frozenset()), classes) == {}
    assert passed_by(ANYONE, classes) == classes
