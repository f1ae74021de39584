"""What a training, an export or a search is told, checked in one place; edgeclf.toml."""
