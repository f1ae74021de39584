"""Options of training, export and search: their checks, and the config file edgeclf.toml."""
