"""What a training says of itself on a terminal."""

from commands._training import losses_of


def test_totals_and_losses_are_told_without_what_a_loss_says_beside_its_value():
    row = {
        "lr/net": 0.1,
        "loss/real/identity": 0.3,
        "loss/real/identity/share": 1.0,
        "loss/real/id/miner/candidate_count": 10.0,
        "loss/real/id": 0.2,
        "loss/total_main": 0.6,
    }
    assert list(losses_of(row)) == ["total_main", "real/identity", "real/id"]
