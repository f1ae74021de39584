"""From images to a trained network: a linear probe, fine-tuning, the choice of epoch."""
