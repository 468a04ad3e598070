from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_every_config_has_one_entry_and_every_entry_a_config():
    """Ablations vary a model; they are listed in the folder's README."""
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    models = [m for path in index for m in yaml.safe_load((ROOT / path).read_text())['Models']]
    configs = {p.relative_to(ROOT).as_posix() for p in (ROOT / 'configs').rglob('*.py')
               if not {'_base_', 'ablations'} & set(p.parts)}
    assert configs and sorted(m['Config'] for m in models) == sorted(configs)
    assert all(m['Name'] == Path(m['Config']).stem for m in models)


def test_package_carries_configs_and_tools():
    for name in ('configs', 'tools', 'model-index.yml'):
        link = ROOT / 'mmicf' / '.mim' / name
        assert link.is_symlink() and link.resolve() == ROOT / name
