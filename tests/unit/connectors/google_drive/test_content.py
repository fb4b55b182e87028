"""What of a file is read, and in which form."""

from __future__ import annotations

import pytest

from core.indexing.readers.dispatch import read
from core.models import Failed, Skipped, Upsert
from tests.emulators.drive_content import DOCX, PPTX, XLSX, Zeros, pdf


@pytest.fixture
def policies(acme):
    return acme.shared_folder("Policies")


@pytest.fixture
def source(acme, policies):
    return acme.source(folders=[policies])


async def the_one(acme, source):
    await acme.sync(source)
    [change] = acme.of(Upsert)
    return change.document


async def reasons(acme, source) -> list[str]:
    await acme.sync(source)
    assert acme.documents == {}
    return [change.reason for change in acme.of(Skipped)]


async def test_a_doc_is_exported_as_markdown(acme, policies, source):
    acme.drive.doc("Leave", policies, "# Leave\n\nThirty days.")
    document = await the_one(acme, source)
    assert (document.title, document.media_type, document.body) == ("Leave", "text/markdown", b"# Leave\n\nThirty days.")
    assert document.url.startswith("https://docs.google.com/document/d/")
    assert document.updated_at == acme.drive.items[document.id.removeprefix("drive:")].modified.replace(
        microsecond=document.updated_at.microsecond
    )


async def test_a_doc_that_has_no_markdown_is_exported_for_word(acme, policies, source):
    acme.drive.doc("Leave", policies, "# Leave\n\nThirty days.")
    acme.api.fail("files.export", "badRequest")
    document = await the_one(acme, source)
    assert document.media_type == DOCX
    assert [block.text for block in read(document.body, DOCX)] == ["Leave", "Thirty days."]


async def test_all_sheets_of_a_spreadsheet_are_read(acme, policies, source):
    acme.drive.sheet("Pay", policies, {"Grades": [["A", "100"]], "Allowances": [["Rail", "20"]]})
    document = await the_one(acme, source)
    assert document.media_type == XLSX
    text = " ".join(block.text for block in read(document.body, XLSX))
    assert "Grades" in text
    assert "Rail" in text


async def test_slides_are_read(acme, policies, source):
    acme.drive.slides("Welcome", policies, [("First day", "Bring a pen.")])
    document = await the_one(acme, source)
    assert document.media_type == PPTX
    assert "Bring a pen." in [block.text for block in read(document.body, PPTX)]


@pytest.mark.parametrize(
    ("name", "declared", "told"),
    [
        ("leave.txt", "text/plain", "text/plain"),
        ("leave.md", "text/plain", "text/markdown"),
        ("leave.md", "text/markdown", "text/markdown"),
        ("leave.csv", "application/octet-stream", "text/csv"),
        ("leave", "text/html; charset=utf-8", "text/html"),
        ("LEAVE.HTML", "application/octet-stream", "text/html"),
    ],
)
async def test_a_file_is_read_as_what_it_is_declared_or_else_named(acme, policies, source, name, declared, told):
    acme.drive.file(name, policies, "Thirty days.", declared)
    document = await the_one(acme, source)
    assert (document.media_type, document.body) == (told, b"Thirty days.")


async def test_a_pdf_is_downloaded(acme, policies, source):
    acme.drive.file("leave.pdf", policies, pdf("Thirty days."), "application/pdf")
    document = await the_one(acme, source)
    assert [block.text for block in read(document.body, document.media_type)] == ["Thirty days."]


@pytest.mark.parametrize(
    ("name", "declared"),
    [("photo.png", "image/png"), ("film.mp4", "video/mp4"), ("all.zip", "application/zip"), ("x", "application/octet-stream")],
)
async def test_what_holds_no_text_is_left_out_without_being_downloaded(acme, policies, source, name, declared):
    acme.drive.file(name, policies, b"\x00\x01", declared)
    assert await reasons(acme, source) == [f"unsupported type: {declared}"]
    assert acme.bodies() == 0


async def test_a_form_is_left_out(acme, policies, source):
    acme.drive.form("Survey", policies)
    assert await reasons(acme, source) == ["unsupported type: application/vnd.google-apps.form"]


async def test_a_file_of_300_mb_is_left_out_without_being_downloaded(acme, policies, source):
    acme.drive.file("all.pdf", policies, Zeros(300 * 1024 * 1024), "application/pdf")
    assert await reasons(acme, source) == ["larger than 32 MB"]
    assert acme.bodies() == 0


async def test_what_nobody_wrote_anything_into_is_left_out(acme, policies, source):
    acme.drive.doc("Blank", policies, " \n")
    acme.drive.file("blank.txt", policies, "")
    assert await reasons(acme, source) == ["empty", "empty"]


async def test_a_file_that_readers_may_not_download_is_left_out_until_they_may(acme, policies, source):
    file = acme.drive.file("leave.txt", policies, "Thirty days.")
    assert (await the_one(acme, source)).body == b"Thirty days."
    acme.drive.forbid_download(file)
    acme.api.calls.clear()
    assert await reasons(acme, source) == ["may not be downloaded"]
    assert acme.bodies() == 0
    file.downloadable = True
    acme.drive.touch(file)
    assert (await the_one(acme, source)).body == b"Thirty days."


async def test_a_file_that_google_calls_abusive_is_left_out(acme, policies, source):
    acme.drive.file("free-money.txt", policies, "Click here.", abusive=True)
    assert await reasons(acme, source) == ["flagged by Google as abusive"]


async def test_a_large_export_is_fetched_where_its_link_leads(acme, policies, source):
    acme.drive.doc("Everything", policies, "All of it. " * 100)
    acme.api.export_limit = 1000
    document = await the_one(acme, source)
    assert document.body == b"All of it. " * 100
    assert acme.api.counts["exportLinks"] == 1


@pytest.mark.parametrize(
    "host", ["https://docs.google.com.evil.example", "https://evil.example", "http://docs.google.com", "http://127.0.0.1:9"]
)
async def test_our_token_is_not_shown_to_a_link_of_another_host(acme, policies, source, host):
    acme.drive.doc("Everything", policies, "All of it. " * 100)
    acme.api.export_limit, acme.api.export_url = 1000, host
    assert await reasons(acme, source) == ["export larger than 10 MB"]
    assert acme.api.counts["exportLinks"] == 0


async def test_on_this_machine_a_link_may_lead_to_this_machine(acme, policies):
    source = acme.source(folders=[policies], api_url="http://127.0.0.1:1")
    acme.drive.doc("Everything", policies, "All of it. " * 100)
    acme.api.export_limit, acme.api.export_url = 1000, "http://127.0.0.1:2"
    assert (await the_one(acme, source)).body == b"All of it. " * 100


async def test_a_file_with_a_resource_key_is_read_with_it(acme, policies, source):
    elsewhere = acme.shared_folder("Elsewhere")
    here = acme.drive.file("here.txt", policies, "Here.", resource_key="0-here")
    there = acme.drive.file("there.txt", elsewhere, "There.", resource_key="0-there")
    acme.drive.shortcut("see also", policies, there)
    await acme.sync(source)
    assert (acme.body(here), acme.body(there)) == ("Here.", "There.")


async def test_a_folder_with_a_resource_key_is_read_with_the_one_in_its_address(acme):
    folder = acme.shared_folder("Old")
    folder.resource_key = "0-old"
    acme.drive.file("leave.txt", folder, "Thirty days.")
    address = f"https://drive.google.com/drive/folders/{folder.id}?resourcekey=0-old&usp=sharing"
    assert (await the_one(acme, acme.source(folders=[address]))).body == b"Thirty days."


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Leave \u202egnp.exe", "Leave gnp.exe"),
        ("Leave\x00\u200b days\r\n", "Leave days"),
        ("\u2066\u2069", "Untitled"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("\U0001f3d6 Ferien", "\U0001f3d6 Ferien"),
    ],
)
async def test_names_are_shown_as_people_see_them(acme, policies, source, name, title):
    folder = acme.drive.folder(name, policies)
    acme.drive.doc(name, folder, "Thirty days.")
    document = await the_one(acme, source)
    assert (document.title, document.path) == (title, ("Policies", title))


async def test_half_of_a_file_is_no_file(acme, policies, source):
    acme.drive.file("leave.txt", policies, "Thirty days, and not one more.")
    acme.api.fail("files.get", "truncated", about="alt=media")
    await acme.sync(source)
    [failed] = acme.of(Failed)
    assert "not what Drive says" in failed.error


async def test_a_login_page_is_no_content(acme, policies, source):
    acme.drive.doc("Leave", policies, "Thirty days.")
    acme.api.fail("files.export", "html", times=2)
    assert (await the_one(acme, source)).body == b"Thirty days."


async def test_a_file_is_looked_after_by_its_owner_and_whoever_changed_it_last(acme, policies, source):
    file = acme.drive.doc("Leave", policies, "# Leave\n\nThirty days.")
    document = await the_one(acme, source)
    assert document.owners == (f"user:{file.owner}",)
