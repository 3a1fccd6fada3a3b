"""What mkdocs calls while it builds: code, pictures and settings come from the package itself.

In a page, a line `<!-- code: lesionseg.ops.masks:mask_targets -->` becomes that function as it
stands in the code, `<!-- picture: name: words -->` a picture that pictures.py draws,
`<!-- table: metrics -->` a table that tables.py makes, and `<!-- include: FILE.md -->` a file from
the root of the repository. A name that is gone stops the build.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
import pictures
import reference
import tables

ROOT = Path(__file__).parent.parent
CODE = re.compile(r"<!-- code: ([\w.]+):([\w.]+) -->")
PICTURE = re.compile(r"<!-- picture: (\w+): (.+?) -->", re.DOTALL)
TABLE = re.compile(r"<!-- table: (\w+) -->")
INCLUDE = re.compile(r"<!-- include: ([\w.]+) -->")
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]+src=["']?(?:https?:)?//|<link[^>]+href=["']?https?://"""
)
FOLDER = "explanation/pictures"


def on_files(files: Files, config) -> Files:
    """Add the pictures, drawn now, and the pages made from the settings' records."""
    for name, content in pictures.drawn().items():
        files.append(File.generated(config, f"{FOLDER}/{name}.svg", content=content))
    for name, text in (("cli", reference.command_line()), ("settings", reference.settings())):
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page, config, files: Files) -> str:
    """Put code and pictures where a page asks for them."""
    depth = page.file.src_uri.count("/")
    place = "../" * depth + FOLDER

    def picture(match: re.Match[str]) -> str:
        name, words = match[1], " ".join(match[2].split())
        if name not in pictures.DRAWERS:
            raise PluginError(f"{page.file.src_uri}: no picture {name!r} in pictures.py")
        return f"![{words}]({place}/{name}.svg)"

    def table(match: re.Match[str]) -> str:
        made = {"metrics": tables.metrics, "rooms": tables.rooms}.get(match[1])
        if made is None:
            raise PluginError(f"{page.file.src_uri}: no table {match[1]!r} in tables.py")
        return made()

    def included(match: re.Match[str]) -> str:
        """Its links start at the root of the repository, those of a page at its own folder."""
        return (
            (ROOT / match[1]).read_text(encoding="utf-8").replace("](docs/", "](" + "../" * depth)
        )

    markdown = TABLE.sub(table, INCLUDE.sub(included, markdown))
    return PICTURE.sub(picture, CODE.sub(lambda m: _code(m[1], m[2], page), markdown))


def on_post_page(output: str, page, config) -> str:
    """Refuse a page that would fetch a script, style, font or picture when it is read."""
    if found := FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} fetches something when read: {found[0]}")
    return output


def _code(module: str, name: str, page) -> str:
    """The source of a function or class, without its docstring, and where it stands."""
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"{page.file.src_uri}: no {name} in {module}") from error
    source = textwrap.dedent(inspect.getsource(found))
    path = Path(inspect.getsourcefile(found)).relative_to(ROOT)
    return f"`{path}`\n\n```python\n{_without_docstring(source)}\n```"


def _without_docstring(source: str) -> str:
    """The words around the code say what it does; the docstring would say it twice."""
    (node,) = ast.parse(source).body
    first = node.body[0]
    if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
        return source.rstrip()
    lines = source.splitlines()
    return "\n".join(lines[: first.lineno - 1] + lines[first.end_lineno :]).rstrip()
