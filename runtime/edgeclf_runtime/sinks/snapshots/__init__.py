"""Images kept for people and for the next training."""
