"""Real kills and real crowds, in reduced form; the full ones are reliability/*.py."""

import os

import crowd
import kill_storm
import pytest
import resume
from harness import STORES, Table

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes")


@pytest.fixture
def table():
    table = Table(*"abcdefghi")
    table._say = lambda cells: None
    yield table
    assert table.failures == []


@pytest.mark.parametrize(("strategy", "store"), [("bo", "sqlite"), ("cbo", "jsonl")])
def test_a_killed_study_goes_on_as_if_it_had_not_been(table, strategy, store):
    resume.check(table, strategy, store, [(0, "told"), (7, "asked"), (10, "told")], [], 12)


@pytest.mark.parametrize("store", STORES)
def test_kills_at_random_moments_lose_nothing_acknowledged(table, store):
    kill_storm.storm(table, "random", store, 4)


@pytest.mark.parametrize(("store", "space"), [("sqlite", "grid"), ("sqlite", "open"), ("jsonl", "grid")])
def test_a_crowd_shares_a_study(table, store, space):
    crowd.crowd(table, store, space, "random", 0, 10 if space == "open" else 1000, processes=4)


@pytest.mark.slow
@pytest.mark.parametrize("script", [resume, kill_storm, crowd])
def test_in_quick_form(script):
    assert script.main(quick=True).failures == []
