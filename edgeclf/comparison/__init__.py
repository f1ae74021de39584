"""Compare methods of training a classifier on one split."""
