"""The site: every page is in it, no link leads nowhere, and nothing is fetched."""

import re
import subprocess
from pathlib import Path

import pytest

from docs.scripts import site
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    site.main(str(folder))
    return folder


def test_every_page_is_built_and_in_the_menu(built: Path) -> None:
    names = {name.removesuffix(".md") for name in site.page_names().values()}
    assert {path.stem for path in built.glob("*.html")} - {"404"} == names
    menu = (ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8")
    assert set(re.findall(r'"([\w.]+)\.md"', menu)) == names


def test_a_page_loads_nothing_from_elsewhere(built: Path) -> None:
    for page in built.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r'<(?:script|img|iframe)[^>]* src="https?:', text), page
        assert not re.search(r'<link[^>]* href="https?:', text), page


def test_a_link_to_the_source_leads_to_the_repository(built: Path) -> None:
    page = (built / "statistics.html").read_text(encoding="utf-8")
    assert f'href="{site.repository()}/blob/main/tests/compare/test_paired.py"' in page


def test_a_link_that_leads_nowhere_stops_the_build() -> None:
    with pytest.raises(FileNotFoundError, match=r"faq\.md: absent\.md leads nowhere"):
        site.with_links("[x](absent.md#y)", ROOT / "docs" / "faq.md", site.page_names())


def test_an_anchor_that_is_not_there_stops_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        site, "with_links", lambda text, *_: re.sub(r"\]\([^)]*\)", "](faq.md#absent)", text)
    )
    with pytest.raises(subprocess.CalledProcessError):
        site.main(str(tmp_path / "site"))
