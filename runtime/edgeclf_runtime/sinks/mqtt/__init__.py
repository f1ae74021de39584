"""Publish observations to an MQTT broker and to Home Assistant."""
