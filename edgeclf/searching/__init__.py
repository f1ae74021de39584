"""Search for backbone, input size and what to train, within a time budget."""
