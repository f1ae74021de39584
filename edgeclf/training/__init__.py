"""Training: a linear probe, fine-tuning, and the choice of the best epoch."""
