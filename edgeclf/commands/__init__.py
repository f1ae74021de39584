"""Commands of the desktop, one a file: each constructs, calls and prints."""
