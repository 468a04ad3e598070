"""MkDocs hook: pages that lie beside the code join the site, and links work there as they do on GitHub."""
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
BESIDE = ('CHANGELOG.md', 'configs/*/README.md', 'projects/*/README.md')
PAGE_LINK = re.compile(r'(?<=\]\()(?!\w+:)[^)#\s]+\.md(?=[)#])')
ROLE = re.compile(r':(?:class|func|meth|data|attr|mod):(?=<code>)')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages beside the code under their path in the repository."""
    for path in sorted(path for pattern in BESIDE for path in ROOT.glob(pattern)):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links are relative to the file in the repository; those to pages become relative to the page in the site.

    A link that leads to no page stays as it is, and a strict build refuses it.
    """
    places = {Path(file.abs_src_path).resolve(): file.src_uri for file in files.documentation_pages()}
    here = Path(page.file.abs_src_path).resolve().parent

    def rewrite(match: re.Match) -> str:
        target = places.get((here / match[0]).resolve())
        return match[0] if target is None else posixpath.relpath(target, posixpath.dirname(page.file.src_uri) or '.')

    return PAGE_LINK.sub(rewrite, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Docstrings mark names as Sphinx does; the name in code type is enough here."""
    return ROLE.sub('', html)
