"""Real English text that every machine has: the docstrings of the standard library."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType

_MODULES = """
argparse asyncio ast base64 calendar codecs collections concurrent.futures configparser contextlib csv dataclasses datetime
decimal difflib doctest email.message enum fractions functools gzip heapq http.client http.server imaplib inspect io ipaddress
itertools json locale logging logging.handlers mailbox math mimetypes multiprocessing operator os pathlib pdb pickle platform
plistlib pprint queue random re sched secrets selectors shelve shlex shutil signal smtplib socket sqlite3 ssl statistics string
struct subprocess tarfile tempfile textwrap threading timeit tokenize traceback types typing unittest unittest.mock urllib.parse
urllib.request uuid warnings weakref xml.dom.minidom xml.etree.ElementTree zipfile
"""


def pages() -> Iterator[tuple[str, str]]:
    """Titles and texts, always in the same order: a page for each class and function documented in 200 characters or more."""
    seen: set[str] = set()
    for name in _MODULES.split():
        module = importlib.import_module(name)
        for title, value in _members(module):
            text = inspect.getdoc(value) if callable(value) else None
            if text and len(text) >= 200 and text not in seen:
                seen.add(text)
                yield f"{name}.{title}", text


def _members(module: ModuleType) -> Iterator[tuple[str, object]]:
    for name, value in sorted(vars(module).items()):
        yield name, value
        if inspect.isclass(value):
            yield from ((f"{name}.{inner}", part) for inner, part in sorted(vars(value).items()))
