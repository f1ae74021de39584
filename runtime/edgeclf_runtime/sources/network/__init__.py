"""Network cameras: streams, snapshots, passwords, certificates."""
