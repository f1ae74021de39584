"""Store images for review and for the next training."""
