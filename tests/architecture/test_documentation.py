"""README and docs lead to places that are there."""

import re
from collections import Counter
from pathlib import Path

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```", re.DOTALL)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def pages(repository: Path) -> list[Path]:
    """All that we wrote for people."""
    at_the_root = [repository / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return [*at_the_root, *sorted((repository / "docs").rglob("*.md")), repository / "tests" / "bench" / "README.md"]


def anchors(page: Path) -> set[str]:
    """The names that a page's headings have in links, as GitHub makes them."""
    found: set[str] = set()
    counts: Counter[str] = Counter()
    for heading in HEADING.findall(CODE.sub("", page.read_text())):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(name if not counts[name] else f"{name}-{counts[name]}")
        counts[name] += 1
    return found


def broken(page: Path) -> list[str]:
    """The links of a page to files that are not there, or to headings that these do not have."""
    wrong = []
    for link in LINK.findall(CODE.sub("", page.read_text())):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(f"{page.name}: {link}")
    return wrong


def test_every_link_leads_somewhere(repository: Path) -> None:
    assert not [each for page in pages(repository) for each in broken(page)]


def test_every_page_and_picture_is_reached_from_the_readme(repository: Path) -> None:
    reached, waiting = set[Path](), [repository / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.exists():
            continue
        reached.add(page)
        if page.suffix == ".md":
            targets = (link.partition("#")[0] for link in LINK.findall(page.read_text()) if "://" not in link)
            waiting += [(page.parent / target).resolve() for target in targets if target]
    docs = repository / "docs"
    assert not {*docs.glob("*.md"), *(docs / "images").glob("*.png")} - reached


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# There\n")
    page = tmp_path / "page.md"
    page.write_text("[a](other.md#there) [b](other.md#nowhere) [c](missing.md) [d](https://example.org)\n")
    assert broken(page) == ["page.md: other.md#nowhere", "page.md: missing.md"]
