"""Routes of v1 about spaces, who may do what in them, groups and people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulators.confluence_http import Call, Edition, Refused, Routes, integer, many, one_of, text
from tests.emulators.confluence_v1 import GROUPS, PAGED, USERS, array, links
from tests.emulators.confluence_v1_views import Expand, expands, group_of, permission_sets_of, permissions_of, space_of, user_of
from tests.emulators.confluence_world import Account, Group, Space

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi

routes = Routes("/rest/api")
profiles = Routes("/rest/mobile/latest/profile", edition=Edition.DATA_CENTER)
rpc = Routes("/rpc/json-rpc/confluenceservice-v2", edition=Edition.DATA_CENTER)
"""What there was before space permissions got routes of their own."""

MEMBERS = 200
"""How many groups, and how many members of one, are told at once."""
SPACES = "read:confluence-space.summary read:space-details:confluence"
_FOUND: dict[str, Any] = {
    "spaceKey": many(text),
    "spaceId": many(integer()),
    "type": one_of("global", "personal"),
    "status": one_of("current", "archived"),
}


@routes.get("/space", edition=Edition.CLOUD, scope=SPACES, expand=expands(["permissions"]), **_FOUND, **PAGED)
@routes.get("/space", edition=Edition.DATA_CENTER, scope=SPACES, **_FOUND, **PAGED)
def spaces(api: ConfluenceApi, call: Call) -> Any:
    query = call.query
    found = [
        space
        for space in api.site.spaces.values()
        if api.site.sees_space(space)
        and ("spaceKey" not in query or space.key in query["spaceKey"])
        and ("spaceId" not in query or int(space.id) in query["spaceId"])
        and query.get("type", space.type) == space.type
        and query.get("status", space.status) == space.status
    ]
    expand = query.get("expand", Expand())
    return array(api, call, found, lambda space: space_of(api, space, expand), cap=200)


@routes.get("/space/{key}", edition=Edition.CLOUD, scope=SPACES, expand=expands(["permissions"]))
@routes.get("/space/{key}", edition=Edition.DATA_CENTER, scope=SPACES)
def one_space(api: ConfluenceApi, call: Call) -> Any:
    return space_of(api, _space(api, call), call.query.get("expand", Expand()))


@routes.get("/space/{key}/permissions", edition=Edition.DATA_CENTER, scope=SPACES)
def space_permissions(api: ConfluenceApi, call: Call) -> Any:
    """All at once, without paging. Only since 9.1."""
    if not api.knows_space_permissions:
        raise Refused(404, "null for uri")
    return permissions_of(_space(api, call))


@routes.get("/space/{key}/permissions/anonymous", edition=Edition.DATA_CENTER, scope=SPACES)
def anonymous_permissions(api: ConfluenceApi, call: Call) -> Any:
    if not api.knows_space_permissions:
        raise Refused(404, "null for uri")
    return [item for item in permissions_of(_space(api, call)) if item["subject"]["type"] == "anonymous"]


@rpc.post("/getSpacePermissionSets", scope=SPACES)
def permission_sets(api: ConfluenceApi, call: Call) -> Any:
    """For the administrators of a space. A permission without a name is everybody's."""
    asked = call.body if isinstance(call.body, list) else []
    space = api.site.space_of(str(asked[0])) if len(asked) == 1 else None
    if space is None or not api.site.sees_space(space):
        raise Refused(500, "com.atlassian.confluence.rpc.RemoteException: You're not allowed to view that space")
    return permission_sets_of(space)


# Groups and people.


@routes.get("/group", scope=GROUPS, **PAGED)
def groups(api: ConfluenceApi, call: Call) -> Any:
    found = list(api.site.groups.values())
    return array(api, call, found, lambda group: group_of(api, group), cap=MEMBERS, default=MEMBERS)


@routes.get("/group/by-id", edition=Edition.CLOUD, scope=GROUPS, id=text)
def group_by_id(api: ConfluenceApi, call: Call) -> Any:
    return group_of(api, _group(api, call.query.get("id", "")))


@routes.get("/group/{name}", edition=Edition.DATA_CENTER, scope=GROUPS)
def group_by_name(api: ConfluenceApi, call: Call) -> Any:
    return group_of(api, _group(api, call.ids["name"]))


@routes.get("/group/{id}/membersByGroupId", edition=Edition.CLOUD, scope=GROUPS, **PAGED)
@routes.get("/group/{id}/member", edition=Edition.DATA_CENTER, scope=GROUPS, expand=expands(["status"]), **PAGED)
def members(api: ConfluenceApi, call: Call) -> Any:
    """By offset, two hundred at most. Deactivated people are still members."""
    found = list(_group(api, call.ids["id"]).members.values())
    expand = call.query.get("expand", Expand())
    return array(api, call, found, lambda account: user_of(api, account, expand), cap=MEMBERS, default=MEMBERS)


@routes.get("/user/current", edition=Edition.CLOUD, scope=USERS)
@routes.get("/user/current", edition=Edition.DATA_CENTER, scope=USERS, expand=expands(["status"]))
def current_user(api: ConfluenceApi, call: Call) -> Any:
    zone = {} if api.data_center else {"timeZone": api.site.bot.time_zone}
    return user_of(api, api.site.bot, call.query.get("expand", Expand())) | zone


@routes.get("/user", edition=Edition.CLOUD, scope=USERS, accountId=text)
@routes.get("/user", edition=Edition.DATA_CENTER, scope=USERS, key=text, username=text, expand=expands(["status"]))
def user(api: ConfluenceApi, call: Call) -> Any:
    query = call.query
    wanted = [
        account
        for account in api.site.accounts.values()
        if account.id in {query.get("accountId"), query.get("key")} or account.username == query.get("username", "-")
    ]
    if not wanted:
        raise Refused(404, "No user found")
    return user_of(api, wanted[0], query.get("expand", Expand()))


@routes.get("/user/bulk", edition=Edition.CLOUD, scope=USERS, accountId=many(text), limit=integer(1, 200))
def users_bulk(api: ConfluenceApi, call: Call) -> Any:
    ids = call.query.get("accountId")
    if not ids:
        raise Refused(400, "accountId is required")
    found = [api.site.accounts[id] for id in dict.fromkeys(ids) if id in api.site.accounts][: call.query.get("limit", 200)]
    return {
        "results": [user_of(api, account, Expand()) for account in found],
        "start": 0,
        "limit": call.query.get("limit", 200),
        "size": len(found),
        "_links": links(api, "/rest/api/user/bulk"),
    }


@routes.get("/search/user", edition=Edition.CLOUD, scope="search:confluence read:content-details:confluence", cql=text, **PAGED)
def search_users(api: ConfluenceApi, call: Call) -> Any:
    """By offset. ``type=user`` finds all; a name with ``user.fullname~"Ana"``."""
    cql = call.query.get("cql", "").replace(" ", "")
    field, _, name = cql.partition("~")
    if cql not in {"type=user", 'type="user"'} and field != "user.fullname":
        raise Refused(400, f"Could not parse cql : {call.query.get('cql', '')}")
    wanted = name.strip("\"'*").lower()
    found = [
        account for account in api.site.accounts.values() if wanted in account.name.replace(" ", "").lower() and account.active
    ]

    def show(account: Account) -> dict[str, Any]:
        return {
            "user": user_of(api, account, Expand()),
            "title": account.name,
            "excerpt": "",
            "url": f"/people/{account.id}",
            "breadcrumbs": [],
            "entityType": "user",
            "iconCssClass": "",
            "lastModified": "2026-01-01T00:00:00.000Z",
            "score": 0.0,
        }

    extra = {"totalSize": len(found), "cqlQuery": call.query["cql"], "searchDuration": 1}
    return array(api, call, found, show, cap=200) | extra


@profiles.get("/{username}", scope=USERS)
def profile(api: ConfluenceApi, call: Call) -> Any:
    """Where a Data Center tells an address, if it may be seen."""
    account = next((a for a in api.site.accounts.values() if a.username == call.ids["username"]), None)
    if account is None:
        raise Refused(404, "No user found")
    email = {"email": account.email} if account.shows_email else {}
    return {"userName": account.username, "fullName": account.name, "anonymous": False, **email}


def _space(api: ConfluenceApi, call: Call) -> Space:
    space = api.site.space_of(call.ids["key"])
    if space is None or not api.site.sees_space(space):
        raise Refused(404, f"No space with key : {call.ids['key']}")
    return space


def _group(api: ConfluenceApi, id: str) -> Group:
    if id not in api.site.groups:
        raise Refused(404, f"No group found with id: {id}")
    return api.site.groups[id]
