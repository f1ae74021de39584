"""Ways to a classifier, compared on one split."""
