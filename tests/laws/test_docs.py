"""What is there is told: each module says its job, each public name has a docstring, and no page of the docs is lost or points into the void."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.laws.house import ROOT, Function, at, committed, none, python_files, tree

LINK = re.compile(r"""!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)|<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)="([^"]+)\"""")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def test_each_module_opens_with_a_docstring() -> None:
    none([str(path.relative_to(ROOT)) for path in python_files("src", "tests", "bench") if path.stat().st_size and not ast.get_docstring(tree(path))])


def test_each_public_name_has_a_docstring() -> None:
    none([f"{at(path, node)} {node.name}" for path in python_files() for node in _public(tree(path)) if not ast.get_docstring(node)])


def test_links_lead_somewhere() -> None:
    none([f"{page.relative_to(ROOT)}: {link}" for page in _pages() for link, target, anchor in _links(page) if not _resolves(target, anchor)])


def test_each_file_of_the_docs_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = [page for page in (ROOT / "README.md", ROOT / "docs" / "README.md") if page.is_file()]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        if page.suffix == ".md":
            ahead += [target for _, target, _ in _links(page) if target.is_file() and target not in reached]
    none([str(path.relative_to(ROOT)) for path in committed() if ROOT / "docs" in path.parents and path not in reached])


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see [a](b.md) and ![c](d/e.svg)", ["b.md", "d/e.svg"]),
        ("[a](<b c.md>)" + ' [t](x.md "title")', ["x.md"]),
        ('<img alt="x" src="docs/x.svg"> <a href="y.md#z">', ["docs/x.svg", "y.md#z"]),
        ("`[a](b)`\n```\n[c](d)\n```\n[e](f)", ["f"]),
    ],
)
def test_links_are_found(text: str, links: list[str]) -> None:
    assert list(_link_texts(text)) == links


def _public(module: ast.Module) -> Iterator[Function | ast.ClassDef]:
    """Functions and classes of a module, and the methods of a class without a base: what a subclass fills in, the base has told."""
    for node in module.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef) and not node.bases:
                yield from (method for method in node.body if isinstance(method, Function) and not method.name.startswith("_"))


def _pages() -> list[Path]:
    return [path for path in committed() if path.suffix == ".md"]


def _link_texts(text: str) -> Iterator[str]:
    return (found[1] or found[2] for found in LINK.finditer(CODE.sub("", text)))


def _links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """A page's links within the project: as written, the file, the heading."""
    for link in _link_texts(page.read_text(encoding="utf-8")):
        if not ELSEWHERE.match(link):
            name, _, anchor = link.partition("#")
            yield link, (page.parent / unquote(name)).resolve() if name else page, anchor


def _resolves(target: Path, anchor: str) -> bool:
    if not target.exists() or (ROOT not in target.parents and target != ROOT):
        return False
    return not anchor or target.suffix != ".md" or anchor in _anchors(target.read_text(encoding="utf-8"))


def _anchors(text: str) -> set[str]:
    """The names that forges give to headings: lower case, punctuation gone, spaces as hyphens."""
    headings = re.findall(r"^#{1,6} +(.+?) *#*$", text, re.MULTILINE)
    named = re.findall(r'\b(?:id|name)="([^"]+)"', text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(named)
