"""Routes of v2 about spaces, who may do what in them, and people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.emulators.confluence_http import Call, Edition, Refused, Routes, many, one_of, text
from tests.emulators.confluence_v2 import ID, PAGED, listed, sorts, space_asked
from tests.emulators.confluence_v2_views import principal_of, space_of, user_of
from tests.emulators.confluence_world import AccessClass, Space

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi

routes = Routes("/api/v2", edition=Edition.CLOUD)


@routes.get(
    "/spaces",
    scope="read:space:confluence",
    ids=many(ID, 250),
    keys=many(text, 250),
    type=one_of("global", "collaboration", "knowledge_base", "personal"),
    status=one_of("current", "archived"),
    sort=sorts("id", "key", "name"),
    description_format=one_of("plain", "view"),
    **PAGED,
)
def spaces(api: ConfluenceApi, call: Call) -> Any:
    query = call.query
    found = [
        space
        for space in api.site.spaces.values()
        if api.site.sees_space(space)
        and ("ids" not in query or int(space.id) in query["ids"])
        and ("keys" not in query or space.key in query["keys"])
        and query.get("type", space.type) == space.type
        and query.get("status", space.status) == space.status
    ]
    keys: dict[str, Callable[[Space], Any]] = {
        "id": lambda space: (int(space.id),),
        "key": lambda space: (space.key, int(space.id)),
        "name": lambda space: (space.name, int(space.id)),
    }
    return listed(api, call, lambda: found, space_of, keys=keys)


@routes.get("/spaces/{id}", scope="read:space:confluence", description_format=one_of("plain", "view"))
def one_space(api: ConfluenceApi, call: Call) -> Any:
    fields = space_of(space_asked(api, call))
    return fields | {"_links": fields["_links"] | {"base": api.base}}


@routes.get("/spaces/{id}/permissions", scope="read:space:confluence", **PAGED)
def permissions(api: ConfluenceApi, call: Call) -> Any:
    """Anonymous access is told by v1 alone, unless a role brought it."""
    space = space_asked(api, call)
    found = [grant for grant in space.grants if grant.role or grant.subject is not AccessClass.ANONYMOUS]
    return listed(
        api,
        call,
        lambda: found,
        lambda grant: {
            "id": str(grant.id),
            "principal": {"type": principal_of(grant.subject)[0], "id": principal_of(grant.subject)[1]},
            "operation": {"key": grant.operation, "targetType": grant.target},
        },
        keys={"id": lambda grant: (grant.id,)},
    )


@routes.get(
    "/spaces/{id}/role-assignments",
    scope="read:space.permission:confluence",
    role_id=text,
    role_type=one_of("SYSTEM", "CUSTOM"),
    principal_id=text,
    principal_type=one_of("USER", "GROUP", "ACCESS_CLASS"),
    **PAGED,
)
def role_assignments(api: ConfluenceApi, call: Call) -> Any:
    query = call.query
    found: dict[tuple[str, str], tuple[int, Any]] = {}
    for grant in space_asked(api, call).grants:
        if grant.role is None:
            continue
        kind, id = principal_of(grant.subject)
        item = {
            "principal": {"principalType": "ACCESS_CLASS" if kind == "role" else kind.upper(), "principalId": id},
            "roleId": grant.role.id,
        }
        asked = {
            "role-id": grant.role.id,
            "role-type": "SYSTEM" if grant.role.system else "CUSTOM",
            "principal-id": id,
            "principal-type": item["principal"]["principalType"],  # type: ignore[index]
        }
        if all(query.get(name, value) == value for name, value in asked.items()):
            found.setdefault((grant.role.id, id), (grant.id, item))
    return listed(api, call, lambda: list(found.values()), lambda pair: pair[1], keys={"id": lambda pair: (pair[0],)})


@routes.get(
    "/space-roles",
    scope="read:space.permission:confluence",
    space_id=text,
    role_type=one_of("SYSTEM", "CUSTOM"),
    principal_id=text,
    principal_type=one_of("USER", "GROUP", "ACCESS_CLASS"),
    **PAGED,
)
def space_roles(api: ConfluenceApi, call: Call) -> Any:
    kinds = {True: "SYSTEM", False: "CUSTOM"}
    found = [role for role in api.site.roles if call.query.get("role-type", kinds[role.system]) == kinds[role.system]]
    return listed(
        api,
        call,
        lambda: found,
        lambda role: {
            "id": role.id,
            "type": kinds[role.system],
            "displayName": role.name,
            "description": f"{role.name} of a space",
            "spacePermissions": list(role.permissions),
        },
        keys={"id": lambda role: (role.id,)},
    )


@routes.post("/users-bulk", scope="read:user:confluence")
def users_bulk(api: ConfluenceApi, call: Call) -> Any:
    """Those that there are, in no promised order; an address only where it may be seen."""
    ids = call.body.get("accountIds") if isinstance(call.body, dict) else None
    if not isinstance(ids, list) or not 1 <= len(ids) <= 250 or not all(isinstance(id, str) for id in ids):
        raise Refused(400, "accountIds must name between 1 and 250 accounts")
    known = [api.site.accounts[id] for id in dict.fromkeys(ids) if id in api.site.accounts]
    return {"results": [user_of(account) for account in known], "_links": {"base": api.base}}
