"""The page of the routes: plain HTML from the OpenAPI description, with nothing to load from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>youtu-st</title><style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .3rem .8rem .3rem 0;
border-bottom: 1px solid #ccc; vertical-align: top } h2 { margin-top: 2rem } code { font-size: 95% }
</style></head><body>
"""
_CODE = re.compile("`([^`]+)`")


def page(description: dict[str, Any]) -> str:
    """What is shown to a browser.

    Args:
        description: OpenAPI's, as ``/openapi.json`` gives it.
    """
    about = description["info"]
    head = f"<h1>{escape(about['title'])} {escape(about['version'])}</h1><p>{escape(about['summary'])}</p>"
    note = '<p>For programs: <a href="openapi.json">openapi.json</a></p>'
    routes = (
        _route(path, method, route)
        for path, methods in description["paths"].items()
        for method, route in methods.items()
    )
    return f"{_HEAD}{head}{note}{''.join(routes)}</body></html>\n"


def _route(path: str, method: str, route: dict[str, Any]) -> str:
    title = f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(route['summary'])}</p>"
    if "requestBody" not in route:
        return title
    schema = route["requestBody"]["content"]["application/json"]["schema"]
    rows = "".join(_rows(schema))
    return f"{title}<table><tr><th>field</th><th>what it is</th><th>type</th></tr>{rows}</table>"


def _rows(schema: dict[str, Any]) -> Iterator[str]:
    for name, field in schema["properties"].items():
        needed = " (needed)" if name in schema["required"] else ""
        what = _CODE.sub(r"<code>\1</code>", escape(field.get("description", "")))
        cells = f"<code>{escape(name)}</code>{needed}", what, escape(_type(field))
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(map(_type, field["anyOf"])))
    if "enum" in field or "const" in field:
        return " or ".join(f'"{value}"' for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of ({_type(field['items'])})"
    return str(field.get("type", "anything"))
