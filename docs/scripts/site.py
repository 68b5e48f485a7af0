"""Builds the pages of the documentation as a site, without a network.

    make docs      writes build/site/index.html and all other pages

Pages are copied to a folder of their own first. There, a link between pages stays, and a link to
another file of the repository becomes its address in the published repository. A link that leads
nowhere stops the build, here or in zensical's strict mode."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
CONFIG = DOCS / "zensical.toml"
# Pages outside docs/, and their names in the site.
OTHERS = {
    "README.md": "index.md",
    "README.ko.md": "index.ko.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "recipes/README.md": "recipes.md",
    "tasks/README.md": "tasks.md",
    "tasks/ko_naturalness/README.md": "naturalness.md",
}
LINK = re.compile(r"(\]\()(?!https?:|#)([^)#\s]+)(#[^)]*)?(\))")


def main(folder: str = "") -> None:
    """Build the site in `folder`, by default build/site. Raises CalledProcessError if a link or
    anchor leads nowhere."""
    site = Path(folder or ROOT / "build" / "site").absolute()
    work = site.with_name(f"{site.name}-pages")
    shutil.rmtree(work, ignore_errors=True)
    copy_pages(work / "docs")
    shutil.copy(CONFIG, work)
    program = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    environment = {**os.environ, "NO_COLOR": "1"}
    subprocess.run(program, cwd=work, env=environment, check=True)
    shutil.rmtree(site, ignore_errors=True)
    (work / "site").rename(site)
    shutil.rmtree(work)
    print(f"{len([*site.glob('*.html')])} pages: {site / 'index.html'}")


def copy_pages(target: Path) -> None:
    """Copy all pages and pictures to `target`, with links as they are there."""
    shutil.copytree(DOCS / "pictures", target / "pictures")
    names = page_names()
    for path, name in names.items():
        text = path.read_text(encoding="utf-8")
        (target / name).write_text(with_links(text, path, names), encoding="utf-8")


def page_names() -> dict[Path, str]:
    """The name of each page in the site."""
    return {
        **{path: path.name for path in sorted(DOCS.glob("*.md"))},
        **{ROOT / path: name for path, name in OTHERS.items()},
    }


def with_links(text: str, page: Path, names: dict[Path, str]) -> str:
    """The text of a page, whose links lead to pages of the site or to the repository. Raises
    FileNotFoundError if a link names no file."""

    def changed(found: re.Match[str]) -> str:
        target = (page.parent / found[2]).resolve()
        if not target.exists():
            raise FileNotFoundError(f"{page}: {found[2]} leads nowhere")
        anchor = found[3] or ""
        if target.is_relative_to(DOCS / "pictures"):
            return f"{found[1]}{target.relative_to(DOCS)}{found[4]}"
        if target in names:
            return f"{found[1]}{names[target]}{anchor}{found[4]}"
        kind = "tree" if target.is_dir() else "blob"
        return f"{found[1]}{repository()}/{kind}/main/{target.relative_to(ROOT)}{anchor}{found[4]}"

    return LINK.sub(changed, text)


def repository() -> str:
    """The address of the published repository."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    address: str = project["project"]["urls"]["Repository"]
    return address


if __name__ == "__main__":
    main(*sys.argv[1:])
