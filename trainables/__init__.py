"""One network's life: data, noise, models, warm-up, training, measuring."""
