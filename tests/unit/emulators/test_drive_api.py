"""The emulated Drive API answers as Google's does, and is as strict."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import httpx
import pytest

from tests.emulators.drive import Drive, DriveApi
from tests.emulators.drive_auth import DIRECTORY
from tests.emulators.drive_content import DOCX, FOLDER, PPTX, XLSX, Zeros, pdf

FILES, CHANGES = "/drive/v3/files", "/drive/v3/changes"
ALL = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}


class Asked:
    """A client of the API, and what it was told."""

    def __init__(self, api: DriveApi, client: httpx.AsyncClient) -> None:
        self.api = api
        self._client = client

    async def ask(self, path: str, *, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        return await self._client.get(path, params=params or None, headers=headers)

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.ask(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, path: str, *, headers: dict[str, str] | None = None, **params: Any) -> tuple[int, str]:
        answer = await self.ask(path, headers=headers, **params)
        error = answer.json()["error"]
        assert error["code"] == answer.status_code
        return answer.status_code, error["errors"][0]["reason"]

    async def all(self, path: str, name: str, **params: Any) -> list[Any]:
        """Every page."""
        found: list[Any] = []
        while True:
            body = await self.get(path, **params)
            found += body[name]
            if "nextPageToken" not in body:
                return found
            params["pageToken"] = body["nextPageToken"]

    async def names(self, **params: Any) -> list[str]:
        return sorted(file["name"] for file in await self.all(FILES, "files", **params))


@pytest.fixture
def drive() -> Drive:
    return Drive()


@pytest.fixture
async def google(drive: Drive) -> AsyncIterator[Asked]:
    api = DriveApi(drive)
    async with api.client() as client:
        yield Asked(api, client)


class TestStrictness:
    @pytest.mark.parametrize(
        ("path", "params"),
        [
            ("/drive/v3/nothing", {}),
            (FILES, {"page_size": "10"}),
            (FILES, {"pageSize": "0"}),
            (FILES, {"pageSize": "many"}),
            (FILES, {"supportsAllDrives": "True"}),
            (FILES, {"q": "id = 'x'"}),
            (FILES, {"q": "trashed = false mimeType = 'x'"}),
            (FILES, {"q": "'open in parents"}),
            (FILES, {"fields": "files(id,colour)"}),
            (FILES, {"fields": "files(id"}),
            (FILES, {"fields": "id"}),
            (FILES, {"pageToken": "abc"}),
            (FILES, {"orderBy": "colour"}),
            (FILES, {"corpora": "everything"}),
            (FILES, {"corpora": "drive"}),
            (FILES, {"includeItemsFromAllDrives": "true"}),
            (CHANGES, {}),
            (CHANGES, {"pageToken": "1"}),
            ("/drive/v3/about", {}),
        ],
    )
    async def test_what_is_not_understood_is_a_400(self, google: Asked, path: str, params: dict[str, str]) -> None:
        status, _ = await google.refused(path, **params)
        assert status == 400

    async def test_a_page_token_is_good_for_its_own_question_until_it_expires(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        for n in range(3):
            drive.doc(f"D{n}", folder)
        token = (await google.get(FILES, pageSize=2, q="trashed = false"))["nextPageToken"]
        assert await google.refused(FILES, pageSize=2, q="trashed = true", pageToken=token) == (400, "invalid")
        assert len((await google.get(FILES, pageSize=1000, q="trashed = false", pageToken=token))["files"]) == 2
        google.api.pages.expire()
        assert await google.refused(FILES, pageSize=2, q="trashed = false", pageToken=token) == (400, "invalid")
        token = (await google.get(FILES, pageSize=2))["nextPageToken"]
        google.api.pages.expire(410)
        assert (await google.refused(FILES, pageSize=2, pageToken=token))[0] == 410

    async def test_google_has_nothing_against_what_was_asked_and_answered(self, google: Asked, drive: Drive) -> None:
        drive.doc("Leave", drive.folder("Handbook"))
        await google.get(FILES, fields="*", pageSize=10)
        assert google.api.judge is not None
        assert google.api.flaws == []
        await google.get(FILES, pageSize=2000)
        assert google.api.flaws == ["files.list: pageSize may not be '2000'"]


class TestFields:
    async def test_without_any_come_the_four_of_google(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        body = await google.get(FILES)
        assert body == {
            "kind": "drive#fileList",
            "incompleteSearch": False,
            "files": [{"kind": "drive#file", "id": folder.id, "name": "Handbook", "mimeType": FOLDER}],
        }

    async def test_a_token_that_is_not_asked_for_does_not_come(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        drive.doc("Leave", folder)
        assert await google.get(FILES, fields="files/id", pageSize=1) == {"files": [{"id": folder.id}]}

    async def test_what_is_below_a_field_can_be_chosen(self, google: Asked, drive: Drive) -> None:
        drive.folder("Handbook")
        body = await google.get(FILES, fields="files(capabilities/canDownload,owners(emailAddress,me))")
        assert body == {
            "files": [{"capabilities": {"canDownload": False}, "owners": [{"emailAddress": "ana@acme.com", "me": False}]}]
        }
        assert (await google.get(FILES, fields="files/owners/*"))["files"][0]["owners"][0]["displayName"] == "Ana"

    async def test_only_blobs_have_bytes_to_count(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        blob, doc = drive.file("a.txt", folder, "abc"), drive.doc("Leave", folder)
        told = {file["id"]: file for file in await google.all(FILES, "files", fields="nextPageToken,files")}
        assert told[blob.id]["size"] == "3"
        assert told[blob.id]["md5Checksum"] == "900150983cd24fb0d6963f7d28e17f72"
        for other in (folder, doc):
            assert not {"size", "md5Checksum", "sha256Checksum", "headRevisionId"} & set(told[other.id])

    async def test_the_version_moves_with_everything_and_the_time_only_with_content(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        file = drive.file("a.txt", folder, "abc")
        fields = "version,modifiedTime,headRevisionId,md5Checksum"
        before = await google.get(f"{FILES}/{file.id}", fields=fields)
        for act in (lambda: drive.touch(file), lambda: drive.share(file, "anyone"), lambda: drive.rename(file, "b.txt")):
            act()
            after = await google.get(f"{FILES}/{file.id}", fields=fields)
            assert int(after["version"]) > int(before["version"])
            assert before | {"version": ""} == after | {"version": ""}
            before = after
        drive.edit(file, "abcd")
        after = await google.get(f"{FILES}/{file.id}", fields=fields)
        assert all(before[name] != after[name] for name in ("version", "headRevisionId", "md5Checksum"))


class TestListing:
    async def test_a_search_is_really_read(self, google: Asked, drive: Drive) -> None:
        handbook, other = drive.folder("Handbook"), drive.folder("It's other")
        target = drive.doc("Leave", handbook)
        drive.trash(drive.doc("Old", handbook))
        drive.shortcut("To leave", other, target)
        assert await google.names(q=f"'{handbook.id}' in parents") == ["Leave", "Old"]
        assert await google.names(q=f"'{handbook.id}' in parents and trashed=false") == ["Leave"]
        either = f"('{handbook.id}' in parents or '{other.id}' in parents) and trashed = false"
        assert await google.names(q=either) == ["Leave", "To leave"]
        assert await google.names(q=f"mimeType != '{FOLDER}' and not trashed = true") == ["Leave", "To leave"]
        assert await google.names(q=r"name = 'It\'s other'") == ["It's other"]
        assert await google.names(q="sharedWithMe and trashed = false") == ["Handbook", "It's other"]
        assert await google.names(q=f"shortcutDetails.targetId = '{target.id}'") == ["To leave"]

    async def test_trash_is_listed_unless_it_is_left_out(self, google: Asked, drive: Drive) -> None:
        handbook = drive.folder("Handbook")
        drive.doc("Leave", handbook)
        drive.trash(handbook)
        shown = await google.all(FILES, "files", fields="nextPageToken,files(name,trashed,explicitlyTrashed)")
        assert shown == [
            {"name": "Handbook", "trashed": True, "explicitlyTrashed": True},
            {"name": "Leave", "trashed": True, "explicitlyTrashed": False},
        ]

    async def test_a_shared_drive_is_listed_only_for_those_who_know_of_drives(self, google: Asked, drive: Drive) -> None:
        people = drive.shared_drive("People")
        pay = drive.folder("Pay", people)
        drive.doc("Salaries", pay)
        assert await google.names() == []
        assert await google.names(corpora="drive", driveId=people.id, **ALL) == ["Pay", "Salaries"]
        assert await google.names(q=f"'{pay.id}' in parents", **ALL) == ["Salaries"]
        assert await google.names(q=f"'{pay.id}' in parents") == []
        assert await google.names(corpora="allDrives", **ALL) == ["Pay", "Salaries"]
        assert await google.refused(FILES, corpora="drive", driveId=people.id) == (403, "teamDrivesParameterRequired")
        drive.unshare_bot(people)
        assert await google.refused(FILES, corpora="drive", driveId=people.id, **ALL) == (404, "notFound")

    async def test_a_folder_that_is_not_seen_cannot_be_searched(self, google: Asked, drive: Drive) -> None:
        private = drive.folder("Private", with_bot=False)
        assert await google.refused(FILES, q=f"'{private.id}' in parents") == (404, "notFound")

    async def test_a_parent_that_is_not_seen_is_not_named(self, google: Asked, drive: Drive) -> None:
        private = drive.folder("Private", with_bot=False)
        doc = drive.doc("Leave", private)
        drive.share(doc, f"user:{drive.bot}")
        assert await google.all(FILES, "files", fields="nextPageToken,files(name,parents)") == [{"name": "Leave"}]

    async def test_a_limited_folder_is_seen_and_its_content_is_not(self, google: Asked, drive: Drive) -> None:
        people = drive.shared_drive("People")
        pay = drive.folder("Pay", people)
        drive.doc("Salaries", pay)
        drive.limit_access(pay)
        assert await google.names(corpora="drive", driveId=people.id, **ALL) == ["Pay"]
        fields = "inheritedPermissionsDisabled,capabilities/canListChildren"
        told = await google.get(f"{FILES}/{pay.id}", fields=fields, supportsAllDrives="true")
        assert told == {"inheritedPermissionsDisabled": True, "capabilities": {"canListChildren": False}}

    async def test_an_order_is_kept(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("0")
        for name in ("b", "c", "a"):
            drive.doc(name, folder)
        listed = [file["name"] for file in await google.all(FILES, "files", orderBy="folder,name desc", pageSize=1)]
        assert listed == ["0", "c", "b", "a"]

    async def test_what_is_made_while_it_is_paged_through_is_neither_lost_nor_doubled(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        files = [drive.doc(f"D{n}", folder) for n in range(5)]
        first = await google.get(FILES, pageSize=3)
        drive.delete(files[0])
        drive.doc("D5", folder)
        rest = await google.all(FILES, "files", pageSize=3, pageToken=first["nextPageToken"])
        assert [file["name"] for file in rest] == ["D2", "D3", "D4", "D5"]

    async def test_ten_thousand_files_are_listed_in_ten_requests(self, google: Asked, drive: Drive) -> None:
        people = drive.shared_drive("People")
        folders = [drive.folder(f"F{n}", people) for n in range(99)]
        for n in range(9901):
            drive.doc(f"D{n}", folders[n % 99])
        listed = await google.names(corpora="drive", driveId=people.id, pageSize=1000, **ALL)
        assert len(set(listed)) == 10_000
        assert google.api.counts == {"files.list": 10}


class TestOneFile:
    async def test_in_a_shared_drive_is_unknown_to_those_who_do_not_know_of_drives(self, google: Asked, drive: Drive) -> None:
        doc = drive.doc("Salaries", drive.shared_drive("People"))
        assert await google.refused(f"{FILES}/{doc.id}") == (404, "notFound")
        assert (await google.get(f"{FILES}/{doc.id}", supportsAllDrives="true"))["name"] == "Salaries"

    async def test_with_a_resource_key_is_unknown_to_those_who_do_not_send_it(self, google: Asked, drive: Drive) -> None:
        file = drive.file("a.txt", drive.folder("Old"), "abc", resource_key="0-k3y")
        assert await google.refused(f"{FILES}/{file.id}") == (404, "notFound")
        headers = {"X-Goog-Drive-Resource-Keys": f"other/1, {file.id}/0-k3y"}
        assert (await google.ask(f"{FILES}/{file.id}", headers=headers, alt="media")).content == b"abc"

    async def test_known_by_its_link_alone_can_be_read_and_is_not_listed(self, google: Asked, drive: Drive) -> None:
        doc = drive.doc("Leave", drive.folder("Private", with_bot=False))
        drive.share(doc, "anyone", discoverable=False)
        assert (await google.get(f"{FILES}/{doc.id}"))["name"] == "Leave"
        assert await google.names() == []

    async def test_is_downloaded_whole_or_in_part(self, google: Asked, drive: Drive) -> None:
        file = drive.file("a.txt", drive.folder("Files"), "0123456789")
        path = f"{FILES}/{file.id}"
        whole = await google.ask(path, alt="media")
        assert (whole.content, whole.headers["Content-Length"]) == (b"0123456789", "10")
        part = await google.ask(path, alt="media", headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
        assert (await google.refused(path, alt="media", headers={"Range": "bytes=10-"}))[0] == 416

    async def test_of_300_megabytes_is_in_nobodys_memory(self, google: Asked, drive: Drive) -> None:
        file = drive.file("film.mp4", drive.folder("Films"), Zeros(300_000_000), "video/mp4")
        assert (await google.get(f"{FILES}/{file.id}", fields="size"))["size"] == "300000000"
        async with google._client.stream("GET", f"{FILES}/{file.id}", params={"alt": "media"}) as answer:
            async for piece in answer.aiter_bytes():
                assert len(piece) <= 65_536
                break

    async def test_that_may_not_be_downloaded_is_refused(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Files")
        kept, virus, doc = drive.file("a", folder, "x"), drive.file("b", folder, "x", abusive=True), drive.doc("c", folder)
        drive.forbid_download(kept)
        drive.forbid_download(doc)
        told = await google.get(f"{FILES}/{kept.id}", fields="copyRequiresWriterPermission,capabilities/canDownload")
        assert told == {"copyRequiresWriterPermission": True, "capabilities": {"canDownload": False}}
        assert await google.refused(f"{FILES}/{kept.id}", alt="media") == (403, "cannotDownloadFile")
        assert await google.refused(f"{FILES}/{virus.id}", alt="media") == (403, "cannotDownloadAbusiveFile")
        assert await google.refused(f"{FILES}/{doc.id}/export", mimeType="text/plain") == (403, "cannotExportFile")

    async def test_a_shortcut_names_its_target(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        target = drive.file("a.txt", folder, "x", resource_key="0-k3y")
        shortcut = drive.shortcut("To a", folder, target)
        told = await google.get(f"{FILES}/{shortcut.id}", fields="shortcutDetails,size")
        assert told == {"shortcutDetails": {"targetId": target.id, "targetMimeType": "text/plain", "targetResourceKey": "0-k3y"}}


class TestExports:
    async def export(self, google: Asked, id: str, mime_type: str) -> bytes:
        answer = await google.ask(f"{FILES}/{id}/export", mimeType=mime_type)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == mime_type
        return answer.content

    async def test_a_doc_has_headings_and_tables(self, google: Asked, drive: Drive) -> None:
        from docx import Document

        text = "# Leave\n\nThirty days.\n\n| Country | Days |\n|---|---|\n| Spain | 30 |\n"
        doc = drive.doc("Leave", drive.folder("Handbook"), text)
        assert await self.export(google, doc.id, "text/markdown") == text.encode()
        assert (await self.export(google, doc.id, "text/plain")).startswith(b"\xef\xbb\xbfLeave\r\n")
        read = Document(BytesIO(await self.export(google, doc.id, DOCX)))
        assert [(part.style.name, part.text) for part in read.paragraphs] == [("Heading 1", "Leave"), ("Normal", "Thirty days.")]
        assert [cell.text for cell in read.tables[0].rows[1].cells] == ["Spain", "30"]

    async def test_a_sheet_has_all_its_sheets_only_as_xlsx(self, google: Asked, drive: Drive) -> None:
        from openpyxl import load_workbook

        tables = {"Fees": [["City", "Fee"], ["Rome", 10]], "Notes": [["None"]]}
        sheet = drive.sheet("Fees", drive.folder("Handbook"), tables)
        assert load_workbook(BytesIO(await self.export(google, sheet.id, XLSX))).sheetnames == ["Fees", "Notes"]
        assert await self.export(google, sheet.id, "text/csv") == b"City,Fee\r\nRome,10\r\n"

    async def test_slides_have_titles(self, google: Asked, drive: Drive) -> None:
        from pptx import Presentation

        slides = drive.slides("Town hall", drive.folder("Handbook"), [("Welcome", "Hello"), ("Plans", "Many")])
        deck = Presentation(BytesIO(await self.export(google, slides.id, PPTX)))
        assert [slide.shapes.title.text for slide in deck.slides] == ["Welcome", "Plans"]
        assert b"Plans\r\nMany" in await self.export(google, slides.id, "text/plain")

    async def test_a_pdf_has_its_text(self, google: Asked, drive: Drive) -> None:
        import pypdfium2

        doc = drive.doc("Leave", drive.folder("Handbook"), "# Leave (days)")
        for content in (await self.export(google, doc.id, "application/pdf"), pdf("Leave (days)")):
            assert pypdfium2.PdfDocument(content)[0].get_textpage().get_text_range() == "Leave (days)"

    async def test_of_the_same_content_is_the_same(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        one, other = (drive.sheet(name, folder, {"A": [[1]]}) for name in "ab")
        assert await self.export(google, one.id, XLSX) == await self.export(google, other.id, XLSX)

    async def test_is_refused_of_what_is_no_doc_or_too_large_or_unknown(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        doc, blob, form = drive.doc("Leave", folder, "x" * 1000), drive.file("a.txt", folder, "x"), drive.form("Ask", folder)
        google.api.export_limit = 999
        refused = google.refused
        assert await refused(f"{FILES}/{doc.id}/export", mimeType="text/markdown") == (403, "exportSizeLimitExceeded")
        assert await refused(f"{FILES}/{doc.id}/export", mimeType=XLSX) == (400, "badRequest")
        assert await refused(f"{FILES}/{form.id}/export", mimeType="text/plain") == (400, "badRequest")
        assert await refused(f"{FILES}/{doc.id}/export") == (400, "required")
        assert await refused(f"{FILES}/{blob.id}/export", mimeType="text/plain") == (403, "fileNotExportable")
        assert await refused(f"{FILES}/{doc.id}", alt="media") == (403, "fileNotDownloadable")
        link = (await google.get(f"{FILES}/{doc.id}", fields="exportLinks"))["exportLinks"]["text/markdown"]
        assert (await google.ask(link)).content == b"x" * 1000


class TestPermissions:
    async def test_of_my_drive_are_for_those_who_may_share(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        doc = drive.doc("Leave", folder)
        path = f"{FILES}/{doc.id}"
        told = await google.get(path, fields="permissions,permissionIds")
        assert "permissions" not in told
        assert len(told["permissionIds"]) == 2
        assert await google.refused(f"{path}/permissions") == (403, "insufficientFilePermissions")
        drive.share(folder, f"user:{drive.bot}", "writer")
        listed = (await google.get(f"{path}/permissions", fields="permissions(type,role,emailAddress)"))["permissions"]
        assert listed == [
            {"type": "user", "role": "owner", "emailAddress": "ana@acme.com"},
            {"type": "user", "role": "writer", "emailAddress": drive.bot},
        ]
        assert len((await google.get(path, fields="permissions"))["permissions"]) == 2

    async def test_of_a_shared_drive_say_where_they_come_from(self, google: Asked, drive: Drive) -> None:
        people = drive.shared_drive("People", members={"group:hr@acme.com": "reader"}, with_bot=True)
        doc = drive.doc("Pay", people)
        drive.share(doc, "group:hr@acme.com", "writer")
        path = f"{FILES}/{doc.id}"
        told = await google.get(path, fields="permissions,permissionIds,hasAugmentedPermissions", supportsAllDrives="true")
        assert "permissions" not in told
        assert (len(told["permissionIds"]), told["hasAugmentedPermissions"]) == (2, True)
        listed = await google.all(f"{path}/permissions", "permissions", fields="*", supportsAllDrives="true", pageSize=1)
        (hr,) = (permission for permission in listed if permission["type"] == "group")
        assert (hr["emailAddress"], hr["role"]) == ("hr@acme.com", "writer")
        assert hr["permissionDetails"] == [
            {"permissionType": "file", "role": "writer", "inherited": False},
            {"permissionType": "member", "role": "reader", "inherited": True, "inheritedFrom": people.id},
        ]
        drive.shared_drive_permissions_from = "fileOrganizer"
        assert (await google.refused(f"{path}/permissions", supportsAllDrives="true"))[0] == 403

    async def test_that_ran_out_do_not_hide_one_that_holds(self, google: Asked, drive: Drive) -> None:
        people = drive.shared_drive("People", members={"user:ben@acme.com": "reader"})
        doc = drive.doc("Pay", people)
        drive.share(doc, "user:ben@acme.com", "writer", expires=drive.now() + timedelta(hours=1))
        path, fields = f"{FILES}/{doc.id}/permissions", "permissions(emailAddress,role,expirationTime)"
        drive.pass_time(timedelta(hours=2))
        listed = (await google.get(path, fields=fields, supportsAllDrives="true"))["permissions"]
        assert {"emailAddress": "ben@acme.com", "role": "reader"} in listed

    async def test_name_nobody_unless_they_are_asked_to(self, google: Asked, drive: Drive) -> None:
        people = drive.shared_drive("People")
        (bot,) = (await google.get(f"{FILES}/{people.id}/permissions", supportsAllDrives="true"))["permissions"]
        assert set(bot) == {"kind", "id", "type", "role"}

    async def test_show_what_gives_nothing(self, google: Asked, drive: Drive) -> None:
        people = drive.shared_drive("People", members={"user:ben@acme.com": "reader"})
        pay = drive.folder("Pay", people)
        drive.limit_access(pay)
        drive.share(pay, f"user:{drive.bot}")
        drive.share(pay, "user:cleo@acme.com", expires=drive.now() + timedelta(days=1))
        drive.share(pay, "user:dan@acme.com")
        drive.delete_user("dan@acme.com")
        drive.share(pay, "domain:acme.com", discoverable=False)
        path = f"{FILES}/{pay.id}/permissions"
        fields = "permissions(emailAddress,view,expirationTime,deleted,allowFileDiscovery,type)"
        listed = (await google.get(path, fields=fields, supportsAllDrives="true"))["permissions"]
        assert {"type": "user", "emailAddress": "ben@acme.com", "view": "metadata", "deleted": False} in listed
        assert {"type": "user", "deleted": True} in listed
        assert {"type": "domain", "allowFileDiscovery": False} in listed
        assert sum("expirationTime" in permission for permission in listed) == 1


class TestChanges:
    async def start(self, google: Asked, **params: Any) -> str:
        return str((await google.get(f"{CHANGES}/startPageToken", **params))["startPageToken"])

    async def told(self, google: Asked, token: str, **params: Any) -> list[tuple[str, str]]:
        fields = "nextPageToken,newStartPageToken,changes(changeType,removed,fileId,driveId,file(name,trashed),drive/name)"
        changes = await google.all(CHANGES, "changes", pageToken=token, fields=fields, **(ALL | params))
        return [
            ("removed" if change["removed"] else "file" if "file" in change else "drive", self.name(change)) for change in changes
        ]

    def name(self, change: dict[str, Any]) -> str:
        return str(change.get("file", change.get("drive", {})).get("name") or change.get("fileId") or change["driveId"])

    async def test_tell_only_the_latest_of_an_item(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        leave = drive.doc("Leave", folder)
        token = await self.start(google)
        assert await self.told(google, token) == []
        drive.edit(leave, "new")
        drive.doc("Travel", folder)
        drive.rename(leave, "Holidays")
        assert await self.told(google, token) == [("file", "Travel"), ("file", "Holidays")]

    async def test_come_in_pages_and_end_with_a_new_token(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        token = await self.start(google)
        for n in range(3):
            drive.doc(f"D{n}", folder)
        first = await google.get(CHANGES, pageToken=token, pageSize=2)
        assert (len(first["changes"]), "newStartPageToken" in first) == (2, False)
        last = await google.get(CHANGES, pageToken=first["nextPageToken"], pageSize=2)
        assert (len(last["changes"]), "nextPageToken" in last) == (1, False)
        assert await self.told(google, last["newStartPageToken"]) == []

    async def test_of_what_is_not_asked_for_leave_an_empty_page(self, google: Asked, drive: Drive) -> None:
        folder, people = drive.folder("Handbook"), drive.shared_drive("People")
        drive.doc("Secret", drive.folder("Private", with_bot=False))
        token = await self.start(google)
        drive.doc("Pay", people)
        drive.doc("Leave", folder)
        page = await google.get(CHANGES, pageToken=token, pageSize=1)
        assert page["changes"] == []
        assert await self.told(google, page["nextPageToken"]) == [("file", "Leave")]

    async def test_tell_of_deletion_and_of_lost_access_the_same(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        gone, hidden, kept = drive.doc("Gone", folder), drive.folder("Hidden", folder), drive.doc("Kept", folder)
        token = await self.start(google)
        drive.delete(gone)
        drive.limit_access(hidden)
        drive.move(hidden, drive.folder("Private", with_bot=False))
        drive.trash(kept)
        assert await self.told(google, token) == [("removed", gone.id), ("removed", hidden.id), ("file", "Kept")]
        assert await self.told(google, token, includeRemoved="false") == [("file", "Kept")]

    async def test_of_a_folder_do_not_tell_of_what_is_in_it(self, google: Asked, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        leave = drive.doc("Leave", folder)
        token = await self.start(google)
        drive.trash(folder)
        assert await self.told(google, token) == [("file", "Handbook")]
        drive.emit_descendant_changes = True
        drive.unshare_bot(folder)
        assert await self.told(google, token) == [("removed", folder.id), ("removed", leave.id)]

    async def test_of_shared_drives_are_told_to_those_who_know_of_drives(self, google: Asked, drive: Drive) -> None:
        people = drive.shared_drive("People")
        pay = drive.doc("Pay", people)
        token, of_drive = await self.start(google), await self.start(google, driveId=people.id, supportsAllDrives="true")
        drive.edit(pay, "more")
        drive.rename(people, "Folk")
        assert await self.told(google, token) == [("file", "Pay"), ("drive", "Folk")]
        assert await self.told(google, of_drive, driveId=people.id) == [("file", "Pay"), ("drive", "Folk")]
        assert (await google.get(CHANGES, pageToken=token))["changes"] == []
        assert (await google.refused(CHANGES, pageToken=of_drive, **ALL))[0] == 400
        drive.move(pay, drive.folder("Handbook"))
        assert ("removed", pay.id) in await self.told(google, of_drive, driveId=people.id)
        assert ("file", "Pay") in await self.told(google, of_drive, driveId=people.id, includeCorpusRemovals="true")
        drive.unshare_bot(people)
        assert ("removed", people.id) in await self.told(google, token)
        assert (await google.refused(CHANGES, pageToken=of_drive, driveId=people.id, **ALL))[0] == 404

    @pytest.mark.parametrize("seed", range(20))
    async def test_followed_to_the_end_show_what_a_new_listing_shows(self, google: Asked, drive: Drive, seed: int) -> None:
        """If the descendants are told, too: else nobody could know."""
        chance = random.Random(seed)
        drive.emit_descendant_changes = True
        home, people, private = drive.folder("Home"), drive.shared_drive("People"), drive.folder("Private", with_bot=False)
        folders = [drive.folder(f"F{n}", chance.choice([home, people, private])) for n in range(5)]
        fields = "id,name,trashed,version,parents,driveId"
        listing = {"corpora": "allDrives", "fields": f"nextPageToken,files({fields})"} | ALL
        token = await self.start(google)
        held = {file["id"]: file for file in await google.all(FILES, "files", **listing)}
        for n in range(60):
            items = [item for item in drive.items.values() if item.parent]
            item, folder = chance.choice(items), chance.choice(folders)
            match chance.randrange(10):
                case 0 | 1 | 2:
                    drive.doc(f"D{n}", folder)
                case 3:
                    drive.rename(item, f"R{n}")
                case 4 if item is not folder and item not in folder.ancestors():
                    drive.move(item, folder)
                case 5:
                    chance.choice([drive.trash, drive.restore, drive.touch])(item)
                case 6 if item not in folders and item.children is None:
                    drive.delete(item)
                case 7:
                    drive.share(item, f"user:{drive.bot}")
                case 8:
                    drive.unshare_bot(chance.choice([item, home, people]))
                case 9:
                    drive.limit_access(folder, chance.random() < 0.5)
            if n % 7:
                continue
            if chance.random() < 0.3:
                drive.add_member(people, f"user:{drive.bot}")
                drive.share(home, f"user:{drive.bot}")
            while True:
                body = await google.get(CHANGES, pageToken=token, pageSize=3, fields=f"*,changes(*,file({fields}))", **ALL)
                for change in body["changes"]:
                    if change["removed"]:
                        held.pop(change.get("fileId"), None)
                    elif change["changeType"] == "file":
                        held[change["fileId"]] = change["file"]
                token = body.get("nextPageToken") or body["newStartPageToken"]
                if "newStartPageToken" in body:
                    break
            listed = {file["id"]: file for file in await google.all(FILES, "files", **listing)}
            assert {id: file["name"] for id, file in held.items()} == {id: file["name"] for id, file in listed.items()}
            assert {id: (f["trashed"], f["version"]) for id, f in held.items()} == {
                id: (f["trashed"], f["version"]) for id, f in listed.items()
            }
        assert google.api.flaws == []


class TestSharedDrives:
    async def test_are_listed_by_ten(self, google: Asked, drive: Drive) -> None:
        for n in range(12):
            drive.shared_drive(f"S{n:02}", with_bot=n != 3)
        first = await google.get("/drive/v3/drives")
        assert len(first["drives"]) == 10
        assert len(await google.all("/drive/v3/drives", "drives")) == 11

    async def test_have_a_name_that_their_root_folder_has_not(self, google: Asked, drive: Drive) -> None:
        people = drive.shared_drive("People")
        assert (await google.get(f"/drive/v3/drives/{people.id}"))["name"] == "People"
        assert (await google.get(f"{FILES}/{people.id}", supportsAllDrives="true"))["name"] == "Drive"
        drive.unshare_bot(people)
        assert await google.refused(f"/drive/v3/drives/{people.id}") == (404, "notFound")


class TestGroups:
    PATH = "/admin/directory/v1/groups/{}/members"

    async def test_are_read_in_pages_by_an_administrator(self, drive: Drive) -> None:
        nested = drive.group("eng@acme.com", ["user:ben@acme.com", "user:dan@acme.com", "group:all@acme.com"])
        drive.group("all@acme.com", ["user:Cleo@acme.com", nested, "domain:acme.com"])
        drive.group("none@acme.com")
        drive.suspend("dan@acme.com")
        api = DriveApi(drive)
        async with api.client(DIRECTORY, email="admin@acme.com") as client:
            google = Asked(api, client)
            members = await google.all(self.PATH.format("all%40acme.com"), "members", maxResults=2)
            assert [(member["type"], member.get("email")) for member in members] == [
                ("CUSTOMER", None),
                ("GROUP", "eng@acme.com"),
                ("USER", "Cleo@acme.com"),
            ]
            derived = await google.all(self.PATH.format("ALL@acme.com"), "members", includeDerivedMembership="true")
            assert {member.get("email"): member["status"] for member in derived} == {
                None: "ACTIVE",
                "all@acme.com": "ACTIVE",
                "ben@acme.com": "ACTIVE",
                "Cleo@acme.com": "ACTIVE",
                "dan@acme.com": "SUSPENDED",
                "eng@acme.com": "ACTIVE",
            }
            assert "members" not in await google.get(self.PATH.format("none@acme.com"))
            assert await google.refused(self.PATH.format("nobody@acme.com")) == (404, "notFound")
            assert api.flaws == []

    async def test_are_told_to_nobody_else(self, google: Asked, drive: Drive) -> None:
        drive.group("all@acme.com")
        assert await google.refused(self.PATH.format("all@acme.com")) == (403, "insufficientPermissions")
        async with google.api.client(DIRECTORY, email="ana@acme.com") as client:
            assert await Asked(google.api, client).refused(self.PATH.format("all@acme.com")) == (403, "forbidden")
