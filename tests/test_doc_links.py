"""Every link of a page in the repository leads to a file that is there, and every name of a file in code type as well."""
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'CHANGELOG.md',
         *sorted(p for pattern in ('docs/en/*.md', 'configs/*/README.md', 'projects/*/README.md') for p in ROOT.glob(pattern))]
LINK = re.compile(r'!?\[[^\]]*\]\(([^)\s]+)\)')
NAMED = re.compile(r'`((?:configs|mmicf|projects|tests|tools|docs)/[\w./{},*-]+\.(?:py|md|sh|json|yml))`')
BRACES = re.compile(r'\{([^{}]*)\}')


def expand(text):
    """'a_{b,c}' → ['a_b', 'a_c']."""
    found = BRACES.search(text)
    if not found:
        return [text]
    return [path for option in found[1].split(',') for path in expand(text[:found.start()] + option + text[found.end():])]


def prose(page):
    """The page without its fenced blocks."""
    return re.sub(r'^```.*?^```', '', page.read_text(encoding='utf-8'), flags=re.M | re.S)


def heading_ids(page):
    titles = re.findall(r'^#+ (.*)$', prose(page), flags=re.M)
    return {re.sub(r'[^\w\- ]', '', title.lower()).strip().replace(' ', '-') for title in titles}


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page):
    for target in LINK.findall(prose(page)):
        if re.match(r'\w+:', target):
            assert target.startswith('https://'), f'{target}: links leave the repository by https'
            continue
        path, _, anchor = target.partition('#')
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_file() and linked.is_relative_to(ROOT), f'{page.name}: {target} leads to no file'
        assert not anchor or anchor in heading_ids(linked), f'{page.name}: {target} leads to no heading'


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_named_files_exist(page):
    for name in NAMED.findall(prose(page)):
        for pattern in expand(name):
            assert list(ROOT.glob(pattern)) or list(page.parent.glob(pattern)), f'{page.name}: there is no {pattern}'


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_named_tests_exist(page):
    files = {path.name: path.read_text(encoding='utf-8') for path in (ROOT / 'tests').rglob('test_*.py')}
    functions = {name for text in files.values() for name in re.findall(r'^def (test_\w+)', text, flags=re.M)}
    named = set(re.findall(r'`(test_\w+(?:\.py)?)`', prose(page)))
    assert named <= functions | files.keys(), sorted(named - functions - files.keys())


def test_the_site_has_every_page():
    """The strict build of .ci/run refuses a page without a place in the site; this says so earlier."""
    def places(nav):
        values = [value for entry in nav for value in entry.values()]
        return [place for value in values for place in (places(value) if isinstance(value, list) else [value])]

    nav = yaml.safe_load((ROOT / 'mkdocs.yml').read_text())['nav']
    expected = [page.relative_to(ROOT).as_posix().removeprefix('docs/en/') for page in PAGES[1:]]
    assert sorted(places(nav)) == sorted(expected)
