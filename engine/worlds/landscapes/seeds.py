"""Disjoint ranges of scene seeds for training, evaluators, validation and tests."""

TRAIN = range(200_000)  # autoencoder, generator, discriminator
VA_EVALUATOR = range(200_000, 400_000)  # the regressor that is in no loss
VALIDATION = range(400_000, 450_000)
TEST_START = 900_000  # from here on: tests only
