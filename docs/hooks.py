"""Hooks of the site: results, claims and recipes join it from where they lie in the repository.

Pages link to them there (``../../benchmarks/results/...``), which is right in an editor and on a code host. In the site
they lie under their paths in the repository, beside the pages, and the links follow.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[1]
BESIDE = ("benchmarks/**/*.md", "benchmarks/**/*.png", "benchmarks/*.py", "recipes/*.yaml", "recipes/*/*.yaml")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to."""
    for path in sorted(path for pattern in BESIDE for path in REPOSITORY.glob(pattern)):
        files.append(File.generated(config, path.relative_to(REPOSITORY).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links out of the folder of pages to where the site has their targets."""
    return markdown if page.file.generated_by else markdown.replace("](../../", "](")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Drop the roles of docstrings (``:class:`` and the like), which only Sphinx reads."""
    return re.sub(r":(?:class|func|meth|attr|mod|data|exc):(?=<code)", "", html)
