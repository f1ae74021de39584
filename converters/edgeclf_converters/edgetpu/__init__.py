"""Check and compile files for a Coral Edge TPU."""
