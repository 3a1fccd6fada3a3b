"""The page: one file, no network, everything escaped, a policy that lets no other script run."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from lesionseg.storage.hashes import sha256_of_text

ROOM = "lesionseg.reporting.page"
TEMPLATE, STYLE = "page.html.j2", "page.css"
SCRIPTS = ("sort.js", "tabs.js", "viewer.js")


def render(
    content: Mapping[str, Any],
    template: str = TEMPLATE,
    scripts: Sequence[str] = SCRIPTS,
    *,
    room: str = ROOM,
) -> str:
    """Fill the template. Every value is escaped; style and script are allowed by hash alone.

    room: the package whose folder holds the template; style and scripts are this room's.
    """
    style = _source(STYLE)
    script = "\n".join(_source(name) for name in scripts)
    environment = Environment(
        loader=FunctionLoader(lambda name: _source(name, room)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = lambda text: text.replace(" %", "\u00a0%")
    viewer = content.get("viewer")
    return environment.get_template(template).render(
        **content,
        viewer_json=Markup(embedded_json(viewer["data"])) if viewer else "",
        style=Markup(style),
        style_hash=Markup(_hash(style)),
        script=Markup(script),
        script_hash=Markup(_hash(script)),
    )


def embedded_json(content: Any) -> str:
    """JSON that cannot end the script element it stands in, whatever text it holds."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _source(name: str, room: str = ROOM) -> str:
    return resources.files(room).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(bytes.fromhex(sha256_of_text(text))).decode()
    return f"'sha256-{digest}'"
