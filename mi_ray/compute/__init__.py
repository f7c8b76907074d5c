"""Floor 1: images, pairings, encoders, losses, estimates. Tensors and numbers in, values out; nats inside, bits out."""
