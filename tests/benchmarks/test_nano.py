import nano


def test_every_network_that_ships_is_evaluated_where_none_is_named(monkeypatch):
    monkeypatch.setattr("sys.argv", ["nano.py"])
    stack = nano.loaded(nano.arguments())
    assert nano.left_out(stack, None) == []
    assert set(stack.ages) == {"age net", "age evaluator"}
