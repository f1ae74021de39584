"""The desktop commands, one per file: each constructs objects, calls a function and prints the result."""
