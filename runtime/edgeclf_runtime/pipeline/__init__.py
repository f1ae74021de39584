"""The main loop of an unattended device, from frames to sinks."""
