"""The script of the stacks downloads and compiles for long; here: what it would install and run exists and fits the package."""
import configparser
import re
import subprocess
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'tools/check_stacks.sh'
TEXT = SCRIPT.read_text(encoding='utf-8')


def test_unknown_stacks_are_refused_at_once():
    done = subprocess.run(['bash', str(SCRIPT), 'onedl', 'other'], capture_output=True, text=True)
    assert done.returncode == 2 and "unknown stack other; known: onedl, onedl-ops, upstream" in done.stderr and not done.stdout


def test_its_tests_exist():
    paths = re.search(r'QUICK=\((.*?)\)', TEXT, flags=re.S)[1].split()
    assert len(paths) > 5 and all((ROOT / path).exists() for path in paths)


def test_upstream_s_versions_fit_the_extra():
    extras = configparser.ConfigParser()
    extras.read(ROOT / 'setup.cfg')
    allowed = [Requirement(line) for line in extras['options.extras_require']['upstream'].split('\n') if line]
    pinned = dict(item.split('==') for item in re.search(r'UPSTREAM=\((.*?)\)', TEXT)[1].split())
    limits = {requirement.name: requirement.specifier for requirement in allowed}
    assert set(pinned) == {'mmengine', 'mmcv', 'mmsegmentation', 'mmpretrain'} <= set(limits)
    assert all(limits[name].contains(version) for name, version in pinned.items())


def test_it_installs_the_same_torch_as_setup_env():
    torch = re.search(r"'torch==2\.\d+\.\*' 'torchvision==0\.\d+\.\*' 'torchaudio==2\.\d+\.\*'", TEXT)[0]
    assert torch in (ROOT / 'tools/setup_env.sh').read_text(encoding='utf-8')


def test_torch_of_every_stack_is_one_that_the_package_allows():
    package = configparser.ConfigParser()
    package.read(ROOT / 'setup.cfg')
    lines = [line for line in package['options']['install_requires'].split('\n') if line and not line.startswith('#')]
    allowed = next(requirement.specifier for requirement in map(Requirement, lines) if requirement.name == 'torch')
    versions = re.findall(r"'torch==(2\.\d+)\.\*'", TEXT)
    assert len(versions) == 2 and all(allowed.contains(f'{version}.0') for version in versions)
    assert not allowed.contains('2.4.1')  # without torch.serialization.safe_globals
