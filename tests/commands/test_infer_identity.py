"""What `tm infer` says of the identity of what it made."""

import pytest

from commands.infer import _show_identity


@pytest.mark.parametrize(
    ("identities", "named"),
    [([0.5, 0.4], 0), ([0.5, 0.1], 1), ([0.1] * 5, 3), ([None], 0)],
)
def test_another_person_is_warned_of(capsys, identities, named):
    rows = [
        {"output": f"{n}.png", "identity": value, "identity_by": "dlib", "identity_d0": 0.8}
        for n, value in enumerate(identities)
    ]
    _show_identity(rows)
    text = capsys.readouterr().err
    assert text.count("is another person by dlib") == named
    assert ("2 more" in text) is (len(rows) == 5)
    assert ("identity" in text) is (identities != [None])
