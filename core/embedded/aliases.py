"""Other names of collections, and how a request of Qdrant's REST API changes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from core.embedded.fields import Fields, Refused


def changed(aliases: Mapping[str, str], actions: Sequence[Any], collections: Collection[str]) -> dict[str, str]:
    """Alias to collection, after all of ``actions`` in their order. Raises Refused when one of them cannot be done."""
    after = dict(aliases)
    for action in actions:
        fields = Fields(action, "actions[]")
        if create := fields.object("create_alias"):
            alias, name = create.required_text("alias_name"), create.required_text("collection_name")
            create.finish()
            if name not in collections:
                raise Refused.missing(f"Collection `{name}` doesn't exist!")
            after[_free(alias, collections)] = name
        elif delete := fields.object("delete_alias"):
            after.pop(delete.required_text("alias_name"), None)
            delete.finish()
        elif rename := fields.object("rename_alias"):
            old, new = rename.required_text("old_alias_name"), rename.required_text("new_alias_name")
            rename.finish()
            if old not in after:
                raise Refused.missing(f"Alias {old} does not exists!")
            after[_free(new, collections)] = after.pop(old)
        else:
            raise Refused.bad("each item of `actions` must be an object with `create_alias`, `delete_alias` or `rename_alias`")
        fields.finish()
    return after


def _free(alias: str, collections: Collection[str]) -> str:
    if not alias:
        raise Refused.bad("an alias needs a name")
    if alias in collections:
        raise Refused(409, f"Wrong input: Collection `{alias}` already exists!")
    return alias
