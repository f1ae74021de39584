"""What ``edgeclf run`` is told: run.toml, its passwords, and who may read them."""
