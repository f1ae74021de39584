"""From frames to sinks: the loop of an unattended device."""
