"""The command as a whole: its version, its subcommands, what it says to a wrong one."""

import pytest

from tm import VERSION
from tm.cli import COMMANDS


def test_the_version_is_printed_without_a_subcommand(tm):
    result = tm("--version")
    assert (result.code, result.out.strip(), result.err) == (0, VERSION, "")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_subcommands_in_our_order(tm, flag):
    result = tm(flag)
    assert result.code == 0
    places = [result.out.index(f"│ {name} ") for name in COMMANDS]
    assert places == sorted(places)


def test_a_wrong_subcommand_ends_with_2_and_offers_the_nearest(tm):
    result = tm("prp")
    assert result.code == 2
    assert "prep" in result.err
