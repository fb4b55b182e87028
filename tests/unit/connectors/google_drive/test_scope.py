"""What an operator asks of the source: is it reachable, which documents are meant, one document."""

from __future__ import annotations

import httpx
import pytest

from connectors.google_drive.source import DriveSource
from core.errors import AuthError, ConfigError, DocumentError, UserError
from core.settings import DriveConfig
from tests.fakes import Unhurried


@pytest.fixture
def team(acme):
    return acme.drive.shared_drive("Handbook", members={"user:bob@acme.com": "reader"})


@pytest.fixture
def policies(acme):
    return acme.shared_folder("Policies")


@pytest.fixture
def source(acme, team, policies):
    return acme.source(drives=[team], folders=[policies])


class TestCheck:
    async def test_it_says_what_is_reached_by_name(self, acme, source):
        assert await source.check() == f"{acme.drive.bot} reads the shared drive 'Handbook', the folder 'Policies'"

    async def test_it_names_what_is_not_shared(self, acme, team, policies, source):
        acme.drive.unshare_bot(policies)
        assert f"not shared with it, or in the trash: {policies.id}" in await source.check()
        acme.drive.unshare_bot(team)
        with pytest.raises(AuthError, match=rf"share {team.id}, {policies.id} with it|share {policies.id}, {team.id} with it"):
            await source.check()

    async def test_a_folder_in_the_trash_is_not_reached(self, acme, team, policies, source):
        acme.drive.trash(policies)
        assert f"in the trash: {policies.id}" in await source.check()

    async def test_it_warns_when_permissions_cannot_be_read(self, acme, source):
        acme.drive.shared_drive_permissions_from = "fileOrganizer"
        line = await source.check()
        assert "may not see who may read the shared drive 'Handbook'" in line
        assert "content manager" in line

    @pytest.mark.parametrize("status", [400, 403, 404, 405])
    async def test_an_address_where_something_else_answers_is_named(self, acme, team, status):
        class SomethingElse(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request):
                if request.url.path == "/token":
                    return await acme.api.handle_async_request(request)
                return httpx.Response(status, json={"detail": "Not Found"})

        config = DriveConfig(credentials=acme.key, drives=(team.id,), api_url="https://pages.example")
        source = DriveSource(config, Unhurried(), transport=SomethingElse())
        with pytest.raises(ConfigError, match=r"pages\.example answered .*is GOOGLE_API_URL its address"):
            await source.check()
        with pytest.raises(ConfigError, match="GOOGLE_API_URL"):
            await acme.sync(source)
        with pytest.raises(ConfigError, match="GOOGLE_API_URL"):
            await source.fetch(f"drive:{team.id}")
        await source.close()

    async def test_what_is_no_id_is_refused_when_the_source_is_made(self, acme):
        with pytest.raises(ConfigError, match="'Handbook', which is neither the id nor the address"):
            acme.source(folders=["Handbook"])


class TestSelect:
    async def chosen(self, source, scope: str) -> set[str]:
        return {id async for id in source.select(scope)}

    @pytest.fixture
    def leave(self, acme, team):
        return acme.drive.doc("Leave", acme.drive.folder("Deep", acme.drive.folder("Absence", team)), "Thirty days.")

    async def test_a_document_is_meant_by_its_id_and_every_form_of_its_address(self, acme, source, leave):
        for scope in (
            f"drive:{leave.id}",
            leave.id,
            f"https://docs.google.com/document/d/{leave.id}/edit?usp=sharing",
            f"https://drive.google.com/file/d/{leave.id}/view",
            f"https://drive.google.com/open?id={leave.id}",
        ):
            assert await self.chosen(source, scope) == {f"drive:{leave.id}"}

    async def test_a_folder_or_a_drive_means_all_documents_in_it_at_any_depth(self, acme, team, policies, source, leave):
        absence = leave.parent.parent
        ill = acme.drive.doc("Ill", absence, "Call.")
        rail = acme.drive.doc("Rail", team, "First class.")
        acme.drive.doc("Other", policies, "Not meant.")
        acme.drive.file("photo.png", absence, b"\x89PNG", "image/png")
        below = {f"drive:{leave.id}", f"drive:{ill.id}"}
        assert await self.chosen(source, f"https://drive.google.com/drive/u/0/folders/{absence.id}") == below
        assert await self.chosen(source, team.id) == below | {f"drive:{rail.id}"}

    async def test_a_shortcut_means_its_target(self, acme, policies, source):
        target = acme.drive.doc("Leave", acme.shared_folder("Elsewhere"), "Thirty days.")
        shortcut = acme.drive.shortcut("see also", policies, target)
        assert await self.chosen(source, shortcut.id) == {f"drive:{target.id}"}
        assert await self.chosen(source, policies.id) == {f"drive:{target.id}"}

    @pytest.mark.parametrize("scope", ["handbook", "", "https://acme.example/x"])
    async def test_what_means_nothing_here_is_said(self, source, scope):
        with pytest.raises(UserError, match="give the address or id of a file, a folder or a shared drive"):
            await self.chosen(source, scope)

    async def test_what_is_not_ours_or_not_shared_is_said_with_the_account(self, acme, source):
        elsewhere = acme.shared_folder("Elsewhere")
        for item in (
            elsewhere,
            acme.drive.doc("Not ours", elsewhere, "Hm."),
            acme.drive.folder("Private", with_bot=False),
        ):
            with pytest.raises(UserError, match=acme.drive.bot):
                await self.chosen(source, item.id)


class TestFetch:
    async def test_it_gives_the_same_documents_as_the_changes(self, acme, team, policies, source):
        limited = acme.drive.folder("Board", team)
        acme.drive.share(limited, f"user:{acme.drive.bot}")
        acme.drive.share(limited, "user:cat@acme.com")
        acme.drive.limit_access(limited)
        acme.drive.doc("Pay", limited, "Secret.")
        acme.drive.doc("Leave", acme.drive.folder("Absence", team), "Thirty days.")
        acme.drive.file("travel.txt", policies, "Second class.")
        acme.drive.shortcut("see also", policies, acme.drive.doc("Else", acme.shared_folder("Elsewhere"), "More."))
        await acme.sync(source)
        assert len(acme.documents) == 4
        for id, document in acme.documents.items():
            assert await source.fetch(id) == document

    async def test_what_is_gone_or_not_ours_is_none(self, acme, team, policies, source):
        trashed = acme.drive.doc("Trashed", policies, "Hm.")
        acme.drive.trash(trashed)
        deleted = acme.drive.doc("Deleted", policies, "Hm.")
        acme.drive.delete(deleted)
        outside = acme.drive.doc("Outside", acme.shared_folder("Elsewhere"), "Hm.")
        secret = acme.drive.doc("Secret", acme.drive.folder("Private", with_bot=False), "Psst.")
        for id in (trashed.id, deleted.id, outside.id, secret.id, policies.id, team.id, "x", "../../etc/passwd", ""):
            assert await source.fetch(f"drive:{id}") is None
        for id in ("", ":", "other:1", outside.id):
            assert await source.fetch(id) is None

    async def test_what_cannot_be_read_says_why(self, acme, policies, source):
        picture = acme.drive.file("photo.png", policies, b"\x89PNG", "image/png")
        blank = acme.drive.doc("Blank", policies, "")
        broken = acme.drive.doc("Broken", policies, "Hm.")
        acme.api.fail("files.export", 500, times=99, about=broken.id)
        for item, said in ((picture, "unsupported type"), (blank, "empty"), (broken, "status 500")):
            with pytest.raises(DocumentError, match=said):
                await source.fetch(f"drive:{item.id}")

    async def test_a_document_that_changes_meanwhile_is_read_again(self, acme, policies, source):
        leave = acme.drive.doc("Leave", policies, "Thirty days.")

        def meanwhile(call):
            if call.route == "files.export":
                acme.api.between = None
                acme.moment()
                acme.drive.edit(leave, "Thirty-one days.")
                acme.drive.share(leave, "user:bob@acme.com")

        acme.api.between = meanwhile
        document = await source.fetch(f"drive:{leave.id}")
        assert document.body == b"Thirty-one days."
        assert document.access.admits(frozenset({"user:bob@acme.com"}))

    async def test_a_document_that_never_rests_is_given_up(self, acme, policies, source):
        leave = acme.drive.doc("Leave", policies, "Thirty days.")

        def meanwhile(call):
            if call.route == "files.export":
                acme.moment()
                acme.drive.edit(leave, f"At {acme.drive.now()}.")

        acme.api.between = meanwhile
        with pytest.raises(DocumentError, match="changes while it is read"):
            await source.fetch(f"drive:{leave.id}")
