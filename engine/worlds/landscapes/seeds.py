"""Which scene seeds may be used for what, so that no judge or test has met its scenes before."""

TRAIN = range(200_000)  # autoencoder, generator, discriminator
JUDGE = range(200_000, 400_000)  # the regressor that only scores
VALIDATION = range(400_000, 450_000)
TEST_START = 900_000  # from here on: never trained or tuned on
