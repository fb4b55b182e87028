"""What the emulated Confluence Cloud answers and accepts is what Atlassian's documents say, where FOOTNOTE_SPECS names them."""

from __future__ import annotations

import httpx
import pytest

from tests.emulators import confluence_spec
from tests.emulators.confluence import AccessClass, ConfluenceApi, Content, Site


class Rich:
    """A site with something of everything."""

    def __init__(self) -> None:
        self.site = Site()
        ana, ben = self.site.user("Ana", shows_email=False), self.site.user("Ben")
        self.group = self.site.group("people-ops", ana, ben)
        self.space = self.site.space("ENG", permit=[self.site.everybody, ana, AccessClass.ANONYMOUS])
        self.site.permit(self.space, self.group, AccessClass.LICENSED, ben, role=self.site.roles[1])
        self.folder = self.site.folder(self.space, "Folder")
        self.others = [self.site.folder(self.space, kind, kind=kind) for kind in ("whiteboard", "database", "embed")]
        self.page = self.site.page(self.space, "Page & more", "<p>Body</p>", parent=self.folder)
        self.below = self.site.page(self.space, "Below", parent=self.page)
        self.blog = self.site.blog(self.space, "Post", "<p>News</p>")
        self.site.restrict(self.page, users=[ana, self.site.bot], groups=[self.group])
        self.site.label(self.page, "howto", "draft")
        self.site.label(self.blog, "news")
        self.file = self.site.attach(self.page, "tä ble.csv", b"a,b")
        self.site.replace(self.file, b"a,b,c")
        self.site.attach(self.blog, "news.txt", b"news")
        for holder in (self.page, self.blog):
            for inline in (False, True):
                self.site.reply(self.site.comment(holder, "<p>Why?</p>", inline=inline), "<p>So.</p>")
        self.site.edit(self.page, title="Renamed")
        self.ana = ana

    def first(self, holder: Content, location: str) -> str:
        return next(comment.id for comment in holder.comments.values() if comment.location == location)


def paths(rich: Rich) -> list[str]:
    page, blog, space, group = rich.page.id, rich.blog.id, rich.space.id, rich.group.id
    v2, v1 = "/wiki/api/v2", "/wiki/rest/api"
    listing = "limit=250&sort=-modified-date&body-format=storage"
    footer, inline = rich.first(rich.page, "footer"), rich.first(rich.page, "inline")
    expand = (
        "space,version,ancestors,container,history.lastUpdated,metadata.labels,childTypes.all,body.storage,body.view,"
        "restrictions.read.restrictions.user,restrictions.read.restrictions.group,extensions.resolution"
    )
    return [
        "/_edge/tenant_info",
        f"{v2}/spaces?keys=ENG&ids={space}&type=global&status=current&sort=key&description-format=plain&limit=1",
        f"{v2}/spaces/{space}?description-format=view",
        f"{v2}/spaces/{space}/permissions?limit=1",
        f"{v2}/spaces/{space}/role-assignments?principal-type=GROUP&role-type=SYSTEM&role-id={rich.site.roles[1].id}",
        f"{v2}/spaces/{space}/role-assignments?principal-type=ACCESS_CLASS",
        f"{v2}/space-roles?role-type=SYSTEM&limit=2",
        f"{v2}/spaces/{space}/pages?{listing}&status=current,archived&depth=all&title=Renamed",
        f"{v2}/spaces/{space}/pages?limit=1&sort=title",
        f"{v2}/spaces/{space}/blogposts?{listing}&status=current",
        f"{v2}/pages?{listing}&id={page},{rich.below.id}&space-id={space}&status=current&status=archived",
        f"{v2}/pages?limit=1&sort=-created-date&body-format=atlas_doc_format",
        f"{v2}/blogposts?{listing}&id={blog}&space-id={space}",
        f"{v2}/pages/{page}?body-format=export_view&include-labels=true&include-versions=true&status=current,archived,trashed,deleted",
        f"{v2}/blogposts/{blog}?body-format=storage&include-labels=true&status=current",
        f"{v2}/folders/{rich.folder.id}",
        *(f"{v2}/{other.kind}s/{other.id}" for other in rich.others),
        *(f"{v2}/{other.kind}s/{other.id}/ancestors?limit=5" for other in (rich.below, rich.folder, *rich.others)),
        f"{v2}/pages/{page}/children?limit=5",
        f"{v2}/pages/{page}/versions?sort=-modified-date",
        f"{v2}/blogposts/{blog}/versions",
        f"{v2}/pages/{page}/labels?prefix=global&sort=name&limit=1",
        f"{v2}/blogposts/{blog}/labels",
        f"{v2}/labels/{rich.site.labels['howto']}/pages?{listing}&space-id={space}",
        f"{v2}/attachments?limit=1&sort=-modified-date&status=current&filename=news.txt&mediaType=text/plain",
        f"{v2}/attachments?limit=1",
        f"{v2}/attachments/{rich.file.id}",
        f"{v2}/pages/{page}/attachments?limit=250&status=current,archived,trashed",
        f"{v2}/blogposts/{blog}/attachments",
        f"{v2}/footer-comments?{listing}",
        f"{v2}/inline-comments?{listing}",
        *(f"{v2}/{kind}s/{id}/footer-comments?{listing}" for kind, id in (("page", page), ("blogpost", blog))),
        *(
            f"{v2}/{kind}s/{id}/inline-comments?{listing}&status=current&resolution-status=open"
            for kind, id in (("page", page), ("blogpost", blog))
        ),
        f"{v2}/footer-comments/{footer}/children?{listing}",
        f"{v2}/inline-comments/{inline}/children?{listing}",
        f"{v2}/footer-comments/{footer}?body-format=storage",
        f"{v2}/inline-comments/{inline}?body-format=view",
        f"{v1}/content?type=page&spaceKey=ENG&title=Renamed&status=current&start=0&limit=1&expand={expand}",
        f"{v1}/content/{page}?status=any&expand={expand}",
        f"{v1}/content/{page}/child/page?limit=1&expand=version",
        f"{v1}/content/{page}/child/attachment?filename=tä ble.csv&mediaType=text/csv&expand=version,container",
        f"{v1}/content/{page}/child/comment?depth=all&location=footer&expand=extensions.resolution,ancestors",
        f"{v1}/content/{page}/label?prefix=global",
        f"{v1}/content/search?cql=space=ENG and type in (page,comment) order by lastmodified&limit=1&expand={expand}",
        f"{v1}/content/{page}/restriction?start=0&limit=100&expand=restrictions.user,restrictions.group",
        f"{v1}/content/{page}/restriction/byOperation?expand=restrictions.user",
        f"{v1}/content/{page}/restriction/byOperation/read?limit=1",
        f"{v1}/content/{page}/child/attachment/{rich.file.id}/download",
        f"{v1}/space?spaceKey=ENG&spaceId={space}&type=global&status=current&expand=permissions&limit=1",
        f"{v1}/space/ENG?expand=permissions",
        f"{v1}/group?limit=1",
        f"{v1}/group/by-id?id={group}",
        f"{v1}/group/{group}/membersByGroupId?start=1&limit=200",
        f"{v1}/user?accountId={rich.ana.id}",
        f"{v1}/user/current",
        f"{v1}/user/bulk?accountId={rich.ana.id}&accountId={rich.site.bot.id}&limit=200",
        f'{v1}/search/user?cql=user.fullname ~ "Ana"&limit=1',
        f"/wiki/download/attachments/{page}/tä ble.csv?version=2&api=v2",
    ]


async def test_every_route_and_parameter_is_in_the_documents_and_so_is_every_answer() -> None:
    rich = Rich()
    api = ConfluenceApi(rich.site)
    async with httpx.AsyncClient(transport=api, base_url=api.url, auth=(api.email, api.token)) as client:
        for path in paths(rich):
            answer = await client.get(path)
            assert answer.status_code in {200, 302}, (path, answer.text)
            if answer.status_code == 200 and (onward := answer.json().get("_links", {}).get("next")):
                onward = onward if onward.startswith("/wiki") else f"/wiki{onward}"
                assert (await client.get(onward)).status_code == 200, onward
        check = {"subject": {"type": "user", "identifier": rich.site.bot.id}, "operation": "read"}
        for path, body in (
            ("/wiki/api/v2/users-bulk", {"accountIds": [rich.ana.id, rich.site.bot.id]}),
            (f"/wiki/rest/api/content/{rich.page.id}/permission/check", check),
        ):
            assert (await client.post(path, json=body)).status_code == 200
    assert api.flaws == []
    assert {route.name for route in api.routes} - {f"{method} {path}" for method, path in api.calls} == set()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/wiki/api/v2/pages?limit=0", 400),
        ("/wiki/api/v2/pages?limit=251", 400),
        ("/wiki/api/v2/pages?limit=many", 400),
        ("/wiki/api/v2/pages?body-format=none", 400),
        ("/wiki/api/v2/pages?body-format=export_view", 400),
        ("/wiki/api/v2/pages?status=current,gone", 400),
        ("/wiki/api/v2/pages?sort=modified", 400),
        ("/wiki/api/v2/pages?expand=version", 400),
        ("/wiki/api/v2/pages?cursor=bm9wZQ==", 400),
        ("/wiki/api/v2/pages?cursor=%F0%9F%98%80", 400),
        ("/wiki/api/v2/pages?id=" + ",".join(map(str, range(1, 252))), 400),
        ("/wiki/api/v2/pages/first", 400),
        ("/wiki/api/v2/pages/1", 404),
        ("/wiki/api/v2/spaces/1/pages", 404),
        ("/wiki/api/v2/page", 404),
        ("/wiki/rest/api/content/1", 404),
        ("/wiki/rest/api/content/search", 400),
        ("/wiki/rest/api/content/search?cql=space==ENG", 400),
        ("/wiki/rest/api/content?expand=everything", 400),
        ("/wiki/rest/api/content?limit=-1", 400),
        ("/wiki/rest/api/group/nobody/membersByGroupId", 404),
        ("/rest/api/content", 404),
    ],
)
async def test_what_is_not_published_is_refused(path: str, status: int) -> None:
    api = ConfluenceApi(Site())
    async with httpx.AsyncClient(transport=api, base_url=api.url, auth=(api.email, api.token)) as client:
        answer = await client.get(path)
    assert answer.status_code == status
    assert set(answer.json()) == ({"errors"} if "/api/v2/" in path else {"statusCode", "data", "message"})


async def test_a_known_path_with_another_method_is_not_allowed() -> None:
    api = ConfluenceApi(Site())
    async with httpx.AsyncClient(transport=api, base_url=api.url, auth=(api.email, api.token)) as client:
        assert (await client.delete("/wiki/api/v2/pages")).status_code == 405


async def test_a_request_that_the_documents_do_not_know_is_a_flaw_wherever_they_are_there() -> None:
    api = ConfluenceApi(Site())
    async with httpx.AsyncClient(transport=api, base_url=api.url, auth=(api.email, api.token)) as client:
        await client.get("/wiki/api/v2/pages?expand=version")
        await client.get("/wiki/api/v2/pages?limit=500")
    assert len(api.flaws) == (0 if confluence_spec.load() is None else 2)
