"""The page of ``edgeclf fleet status --html``: one row per device, in a single file without scripts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape

from edgeclf_fleet.survey import COLUMNS, DeviceStatus
from edgeclf_runtime.system.plain_text import counted

__all__ = ["survey_page"]

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>edgeclf fleet</title>
<style>
:root {{ color-scheme: light dark; }}
:root {{ --ground: #f3f5f8; --card: #fff; --line: #dfe3ea; --muted: #596375; --good: #268054; --bad: #c0392b; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ground: #0f1318; --card: #181e26; --line: #29313d; --muted: #98a3b3; --good: #4fb286; --bad: #e5705f; }}
}}
body {{ margin: 1.2rem; background: var(--ground); font: 15px/1.4 system-ui, sans-serif; }}
h1 {{ font-size: 1.2rem; margin: 0; }}
p {{ color: var(--muted); margin: .2rem 0 1rem; }}
.table {{ overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .7rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .5rem .6rem; vertical-align: top; border-top: 1px solid var(--line); }}
td.state {{ white-space: nowrap; }}
th {{ color: var(--muted); font-weight: 500; border-top: 0; }}
td.why {{ white-space: normal; color: var(--muted); }}
.state::before {{ content: ""; display: inline-block; width: .6rem; height: .6rem; margin-right: .5rem; }}
.state::before {{ border-radius: 50%; }}
.good::before {{ background: var(--good); }}
.bad::before {{ background: var(--bad); }}
@media (max-width: 40rem) {{
  thead {{ display: none; }}
  tr {{ display: block; padding: .6rem 0; border-top: 1px solid var(--line); }}
  tr:first-child {{ border-top: 0; }}
  td {{ display: flex; gap: .8rem; border: 0; padding: .15rem .6rem; white-space: normal; overflow-wrap: anywhere; }}
  td.state {{ font-weight: 600; display: block; }}
  td[data-name]::before {{ content: attr(data-name); flex: 0 0 6.5rem; color: var(--muted); }}
}}
</style>
<h1>{title}</h1>
<p>{moment}</p>
<div class="table"><table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
</html>
"""


def survey_page(devices: Sequence[DeviceStatus]) -> str:
    """Return the page as HTML."""
    wrong = sum(not device.is_well for device in devices)
    attention = f"{wrong} {'needs' if wrong == 1 else 'need'} attention"
    title = f"{counted(len(devices), 'device')}, {attention if wrong else 'all well'}"
    return _PAGE.format(
        title=title,
        moment=time.strftime("%Y-%m-%d %H:%M %Z"),
        head="".join(f"<th>{name}</th>" for name in COLUMNS),
        rows="\n".join(map(_row, devices)),
    )


def _row(device: DeviceStatus) -> str:
    name, *texts = device.row()
    state = f'<td class="state {"good" if device.is_well else "bad"}">{escape(name)}</td>'
    if not device.status:
        return f'<tr>{state}<td class="why" colspan="{len(texts)}">{escape(device.reason)}</td></tr>'
    cells = (f'<td data-name="{name}">{escape(text)}</td>' for name, text in zip(COLUMNS[1:], texts, strict=True))
    return f"<tr>{state}{''.join(cells)}</tr>"
