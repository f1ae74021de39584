"""Turn scores into a stable answer, and choose which frames to classify."""
