"""Networks as lists of layers, which conversions rewrite."""
