"""The command as a whole: its version, its subcommands, what it says to a wrong one."""

import pytest

from tm import VERSION
from tm.cli import COMMANDS


def test_the_version_is_told_without_a_subcommand(tm):
    told = tm("--version")
    assert (told.code, told.out.strip(), told.err) == (0, VERSION, "")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_subcommands_in_our_order(tm, flag):
    told = tm(flag)
    assert told.code == 0
    places = [told.out.index(f"│ {name} ") for name in COMMANDS]
    assert places == sorted(places)


def test_a_wrong_subcommand_ends_with_2_and_offers_the_nearest(tm):
    told = tm("prp")
    assert told.code == 2
    assert "prep" in told.err
