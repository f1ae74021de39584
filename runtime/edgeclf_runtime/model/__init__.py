"""The model file: its card, labels, metadata, golden images and scores."""
