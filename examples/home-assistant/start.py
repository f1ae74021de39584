"""Start edgeclf in Home Assistant's app: write a config file from its options and its broker, and run with it.

start.py [DATA CONFIG]      (default: /data, which has options.json, and /config, where the user puts the model)
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote


def main(data: Path, config: Path) -> None:
    """Write ``run.toml`` and become ``edgeclf run``."""
    options = json.loads((data / "options.json").read_text("utf-8"))
    model = config / options["model"]
    if not model.is_file():
        sys.exit(f"There is no {options['model']} in this app's folder (addon_configs). Copy a model file there.")
    settings = data / "run.toml"
    with open(settings, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(_settings(options, _broker(), data))
    command = ["edgeclf", "run", str(model), "--config", str(settings)]
    os.execvp(command[0], command)


def _broker() -> str:
    """Return the address of Home Assistant's broker, with its user and password."""
    headers = {"Authorization": f"Bearer {os.environ['SUPERVISOR_TOKEN']}"}
    request = urllib.request.Request("http://supervisor/services/mqtt", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        service = json.load(answer)["data"]
    user, password = (quote(service[name], safe="") for name in ("username", "password"))
    return f"{'mqtts' if service['ssl'] else 'mqtt'}://{user}:{password}@{service['host']}:{service['port']}"


def _settings(options: dict[str, Any], broker: str, data: Path) -> str:
    """Return the text of ``run.toml``; a JSON string is a TOML string."""
    lines = [f"source = {json.dumps(options['source'])}", "reload = true", "[camera]", "reopen = true"]
    lines += ["[decision]", *_given(options, threshold="threshold")]
    lines += ["[gate]", *_given(options, max_fps="max_fps")]
    lines += ["[sinks]", f"mqtt = {json.dumps(broker)}", *_given(options, name="mqtt_name", web_token="web_token")]
    if options.get("web_token"):
        lines.append('web = "0.0.0.0:8080"')
    return "\n".join(lines) + "\n"


def _given(options: dict[str, Any], **keys: str) -> list[str]:
    return [f"{key} = {json.dumps(options[name])}" for name, key in keys.items() if options.get(name) not in (None, "")]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:] or ("/data", "/config")))
