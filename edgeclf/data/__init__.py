"""Labelled images: reading sources, decoding, finding near-duplicates, splitting."""
