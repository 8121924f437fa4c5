"""The page on which a problem document's `type` is explained."""

from html import escape

from kernel import problems
from kernel.problems import Kind
from regulation.refusal import messages

HEAD = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>问题代码 · Problem codes</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<style>body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em}td,th{text-align:left;vertical-align:top;padding:.3em .8em}
tr:target{background:#ffc}code{white-space:nowrap}</style></head>
<body><h1>问题代码 · Problem codes</h1><table><tr><th>code</th><th>status</th><th>中文</th><th>English</th></tr>
"""


def kinds_of(*modules: object) -> list[Kind]:
    """Find the kinds of problem that modules declare."""
    return sorted({kind for module in modules for kind in vars(module).values() if isinstance(kind, Kind)}, key=lambda kind: kind.code)


def problems_page() -> str:
    """Render the general problems, and every refusal of the regulation."""
    rows = [(kind.code, str(kind.status), kind.zh, kind.en) for kind in kinds_of(problems)]
    rows += [(code, str(problems.REFUSED), said["zh"], said["en"]) for code, said in sorted(messages().items())]
    return HEAD + "".join(_row(*row) for row in rows) + "</table></body></html>"


def _row(code: str, status: str, zh: str, en: str) -> str:
    return f'<tr id="{escape(code)}"><td><code>{escape(code)}</code></td><td>{status}</td><td>{escape(zh)}</td><td>{escape(en)}</td></tr>\n'
