"""Labelled images: where they come from, how they are decoded, which look alike, how they are divided."""
