"""The search for an int8 network that loses nothing."""
