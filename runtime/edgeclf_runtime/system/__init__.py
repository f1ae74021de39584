"""What is asked of the operating system: files, processes, packages, clock, processors."""
