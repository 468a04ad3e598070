import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
INDEX = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
PRINTED_JF = {'ddeseg_pvt_s4': 92.0}  # a slip of the paper, named in the README


def names_of(pattern):
    """Shell braces: 'a_{b,c}' → a_b, a_c."""
    found = re.search(r'\{([^}]*)\}', pattern)
    if not found:
        return [pattern]
    return [name for option in found[1].split(',') for name in names_of(pattern[:found.start()] + option + pattern[found.end():])]


def readme_numbers(readme):
    """Config → the (J, F) that the tables of "Published results" have for it and its set."""
    numbers, header = {}, []
    for line in readme.read_text().split('## Published results')[1].split('\n## ')[0].splitlines():
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        if not line.startswith('|') or set(line) <= set('|- '):
            continue
        if cells[0] == 'config':
            header = cells
            continue
        configs = [name for pattern in re.findall(r'`([^`]+)\.py`', cells[0]) for name in names_of(pattern)]
        for column, title in enumerate(header):
            if title.endswith(' J') and cells[column]:
                kind = title.removesuffix(' J').lower()
                for name in configs:
                    if re.search(f'_(vpo-)?{kind}(_|$)', name):
                        numbers.setdefault(name, []).append((float(cells[column]), float(cells[column + 1])))
    return numbers


@pytest.mark.parametrize('path', INDEX)
def test_published_numbers_are_those_of_the_readme(path):
    """Of each config with numbers in its README's table, and of no other."""
    models = yaml.safe_load((ROOT / path).read_text())['Models']
    published = {m['Name']: m['Metadata']['Published'] for m in models if 'Published' in m['Metadata']}
    numbers = readme_numbers((ROOT / path).with_name('README.md'))
    assert published and set(published) == set(numbers)
    for name, entry in published.items():
        assert (entry['J'], entry['F']) in numbers[name], name
        mean = PRINTED_JF.get(name, (entry['J'] + entry['F']) / 2)
        assert entry['J&F'] == pytest.approx(mean, abs=0.051), name
        assert entry['Family'] == ('confusion' if 'ddeseg' in path else 'avsbench')


def test_every_config_has_one_entry_and_every_entry_a_config():
    """Ablations vary a model; they are listed in the folder's README."""
    models = [m for path in INDEX for m in yaml.safe_load((ROOT / path).read_text())['Models']]
    configs = {p.relative_to(ROOT).as_posix() for p in (ROOT / 'configs').rglob('*.py')
               if not {'_base_', 'ablations'} & set(p.parts)}
    assert configs and sorted(m['Config'] for m in models) == sorted(configs)
    assert all(m['Name'] == Path(m['Config']).stem for m in models)


def test_package_carries_configs_and_tools():
    for name in ('configs', 'tools', 'model-index.yml'):
        link = ROOT / 'mmicf' / '.mim' / name
        assert link.is_symlink() and link.resolve() == ROOT / name
