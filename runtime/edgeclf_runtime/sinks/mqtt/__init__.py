"""Messages to an MQTT broker, and Home Assistant."""
