from __future__ import annotations

from core.models import AccessChanged, Checkpoint, Groups, Listed, Remove, Skipped, Upsert


async def test_first(acme):
    drive = acme.drive
    team = drive.shared_drive("Handbook", members={"user:bob@acme.com": "reader"})
    folder = drive.folder("Policies", team)
    leave = drive.doc("Leave", folder, "# Leave\n\nThirty days.")
    mine = drive.folder("Mine")
    drive.share(mine, f"user:{drive.bot}", "writer")
    notes = drive.file("notes.txt", mine, "hello")
    source = acme.source(drives=[team], folders=[mine])
    await acme.sync(source)
    print(acme.told)
    acme.agrees(team, mine)
    print(acme.api.counts)
    acme.api.calls.clear()
    await acme.sync(source)
    print(acme.api.counts)
    print(await source.check())
