"""From scores to a steady answer, and which frames are worth classifying."""
