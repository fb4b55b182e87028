"""The same company as in :mod:`tests.property.test_two_personas`, where the filter of the query itself decides what is found."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from core.embedded.keeper import Engines
from tests.property.installation import Installation, OnTheEngines
from tests.property.test_two_personas import TwoPersonas


class OnEngines(TwoPersonas):
    def __init__(self, engines: Engines) -> None:
        self.engines = engines
        super().__init__()

    def a_loop(self) -> asyncio.AbstractEventLoop:
        """Engines are other processes: waiting for them takes time."""
        return asyncio.new_event_loop()

    def an_installation(self) -> Installation:
        return OnTheEngines(self.engines, self.sources, self.company.drive.now)


@pytest.mark.slow
def test_everybody_finds_what_they_may_read(shared_engines: Engines) -> None:
    examples = settings(max_examples=60, stateful_step_count=4, report_multiple_bugs=False)
    run_state_machine_as_test(lambda: OnEngines(shared_engines), settings=examples)
