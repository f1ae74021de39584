"""The settings of ``edgeclf run``: run.toml, its passwords, and who may read them."""
