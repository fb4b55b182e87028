"""What people paste, and the id in it."""

from __future__ import annotations

import pytest

from connectors.google_drive.address import Address, parse_address

ID = "1AbC-def_GHI0123456789jklmnopqrstu"


@pytest.mark.parametrize(
    "text",
    [
        ID,
        f"  {ID}\n",
        f"https://docs.google.com/document/d/{ID}/edit?tab=t.0#heading=h.1",
        f"https://docs.google.com/document/u/1/d/{ID}/edit",
        f"https://docs.google.com/spreadsheets/d/{ID}/edit#gid=0",
        f"https://docs.google.com/presentation/d/{ID}/edit#slide=id.p",
        f"https://docs.google.com/a/acme.com/document/d/{ID}/edit",
        f"https://drive.google.com/file/d/{ID}/view?usp=sharing",
        f"https://drive.google.com/drive/folders/{ID}",
        f"https://drive.google.com/drive/u/0/folders/{ID}?usp=drive_link",
        f"https://drive.google.com/open?id={ID}",
        f"https://drive.google.com/uc?export=download&id={ID}",
        f"drive.google.com/drive/folders/{ID}",
    ],
)
def test_every_form_of_an_address_leads_to_the_id(text: str):
    assert parse_address(text) == Address(id=ID)


def test_a_resource_key_comes_with_its_address():
    text = f"https://drive.google.com/drive/folders/{ID}?resourcekey=0-k3y&usp=sharing"
    assert parse_address(text) == Address(id=ID, resource_key="0-k3y")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "handbook",
        "all of it, please",
        f"https://drive.google.com.evil.example/file/d/{ID}/view",
        f"https://evil.example/drive/folders/{ID}",
        "https://drive.google.com/drive/my-drive",
        f"https://docs.google.com/document/d/e/2PACX-{ID}/pub",
        f"{ID}/../../etc",
        "https://[::1",
    ],
)
def test_anything_else_leads_nowhere(text: str):
    assert parse_address(text) is None
