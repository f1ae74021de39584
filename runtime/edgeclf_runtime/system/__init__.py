"""The operating system: files, processes, packages, the clock and processor cores."""
