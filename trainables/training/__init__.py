"""How a network is trained: the loop, optimizers, augmentation, several workers."""
