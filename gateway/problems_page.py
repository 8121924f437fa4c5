"""The page on which a problem document's `type` is explained."""

from collections.abc import Mapping
from html import escape
from typing import Any

HEAD = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>问题代码 · Problem codes</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<style>body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em}td,th{text-align:left;vertical-align:top;padding:.3em .8em}
tr:target{background:#ffc}code{white-space:nowrap}</style></head>
<body><h1>问题代码 · Problem codes</h1><table><tr><th>code</th><th>status</th><th>中文</th><th>English</th></tr>
"""


def problems_page(problems: Mapping[str, Mapping[str, Any]]) -> str:
    """Render the catalogue of problems: by code its status, and its sentence in both languages."""
    return (
        HEAD
        + "".join(_row(code, str(said["status"]), said["zh"], said["en"]) for code, said in problems.items())
        + "</table></body></html>"
    )


def _row(code: str, status: str, zh: str, en: str) -> str:
    return f'<tr id="{escape(code)}"><td><code>{escape(code)}</code></td><td>{status}</td><td>{escape(zh)}</td><td>{escape(en)}</td></tr>\n'
