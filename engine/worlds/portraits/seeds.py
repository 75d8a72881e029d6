"""Which identity seeds are for what: no evaluator or test shares people with a training."""

TRAIN = range(200_000)  # generator, encoder, prior and the nets used in losses
EVALUATORS = range(200_000, 400_000)  # independent evaluators
VALIDATION = range(400_000, 450_000)
IMPOSTORS = range(450_000, 460_000)  # other people in identity banks
TEST_START = 900_000  # from here on: never trained or tuned on
DEMO_PERSON = 900_000
PERSONAL_TEST = range(900_001, 900_006)
SHARED_PHOTO = 999
"""Number of the photograph that shows a person at every age; different from all others."""


def scene_seed(person: int, photo: int) -> int:
    """The scene of a person's photo, counted from 0; scenes keep to the range of their person."""
    return person * 1_000 + photo
