"""StyleGAN2 (Karras et al. 2020): generator, discriminator, the plain form that defines both."""
