"""Answers scored by their tokens: a fake model whose every next token is known."""

import pytest
import torch

from engine.experts.closed_set import ClosedSet, probabilities_reference
from engine.experts.prose import parse_age

VOCABULARY = 14
UNKNOWN = 101


def digits(number):
    return [int(digit) for digit in str(number)]


def ages():
    return ClosedSet.of({**{age: [digits(age)] for age in range(101)}, UNKNOWN: [[10, 11]]})


class Model:
    """Next-token probabilities drawn once for each prefix, for a batch of two."""

    def __init__(self, favour=None):
        self.calls, self.favour = [], favour

    def __call__(self, prefix):
        self.calls.append(tuple(prefix))
        draw = torch.Generator().manual_seed(hash(tuple(prefix)) % 10_000)
        logits = torch.randn(2, VOCABULARY, generator=draw)
        if self.favour is not None and len(prefix) < len(self.favour):
            logits[:, self.favour[len(prefix)]] += 20
        return logits.log_softmax(dim=1)


def test_the_probabilities_of_all_answers_and_of_none_sum_to_one():
    shares = ages().probabilities(Model())
    assert shares.shape == (2, 103)
    assert (shares >= 0).all()
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2, dtype=torch.float64))


def test_the_fast_path_agrees_with_the_definition():
    model = Model()
    torch.testing.assert_close(
        ages().probabilities(model), probabilities_reference(ages(), model), rtol=1e-6, atol=1e-9
    )


def test_answers_that_begin_alike_cost_one_step_for_each_prefix():
    model = Model()
    ages().probabilities(model)
    # The prompt, each digit but 0, `10` before `100`, and `un` before `unknown`.
    assert len(model.calls) == ages().steps == 1 + 9 + 1 + 1
    assert len(set(model.calls)) == len(model.calls)


@pytest.mark.parametrize("age", [0, 7, 10, 42, 100])
def test_the_likeliest_continuation_has_the_highest_probability(age):
    stop = 13
    shares = ages().probabilities(Model([*digits(age), stop]))
    assert (shares.argmax(dim=1) == age).all()


def test_two_spellings_of_an_answer_add_up():
    both = ClosedSet.of({0: [[1], [2]], 1: [[3]]}).probabilities(Model())
    one = Model()(()).double().exp()
    torch.testing.assert_close(both[:, 0], one[:, 1] + one[:, 2])


def test_two_answers_of_the_same_tokens_are_refused():
    with pytest.raises(ValueError, match="answer 1 has the tokens of another"):
        ClosedSet.of({0: [[1]], 1: [[1]]})


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("34", 34),
        ("Predicted Age: 34.", 34),
        ("The person looks about 42 years old", 42),
        ("007", 7),
        ("0", 0),
        ("30-35", 32.5),
        ("30 – 40 years", 35),
        ("between 20 and 26", 23),
        ("25 to 31 years old", 28),
        ("in her late 20s", 28),
        ("40s", 45),
    ],
)
def test_prose_and_ranges_are_read(text, years):
    assert parse_age(text).years == years


@pytest.mark.parametrize(
    "text",
    ["unknown", "", "I cannot tell", "-5", "130", "12, 30 or 60", "34.5.2", "10 people, 2 dogs"],
)
def test_text_without_one_age_is_none(text):
    assert parse_age(text) is None


def test_a_range_costs_confidence():
    assert parse_age("30-40").share < parse_age("35").share == 1
