"""Imports go one way, and importing touches no network."""
import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / 'mmicf'
# package -> packages that it must not import
FORBIDDEN = {
    'registry.py': {'structures', 'datasets', 'models', 'engine', 'evaluation', 'visualization', 'apis', 'analysis', 'utils'},
    'structures': {'datasets', 'models', 'engine', 'evaluation', 'visualization', 'apis', 'analysis'},
    'utils': {'datasets', 'models', 'engine', 'evaluation', 'visualization', 'apis', 'analysis'},
    'datasets': {'models', 'engine', 'evaluation', 'visualization', 'apis', 'analysis'},
    'evaluation': {'models', 'datasets', 'engine', 'visualization', 'apis', 'analysis'},
    'visualization': {'models', 'datasets', 'engine', 'evaluation', 'apis', 'analysis'},
    'models': {'datasets', 'engine', 'evaluation', 'visualization', 'apis', 'analysis'},
    'apis': {'analysis'},
    'models/layers': {'models.losses', 'models.necks', 'models.backbones', 'models.decode_heads', 'models.segmentors'},
    'models/losses': {'models.necks', 'models.backbones', 'models.decode_heads', 'models.segmentors'},
    'models/necks': {'models.decode_heads', 'models.segmentors', 'models.losses'},
    'models/decode_heads': {'models.segmentors', 'models.necks', 'models.backbones'},
}


def imported(path):
    """Absolute names of the mmicf modules that a file imports, without the leading ``mmicf.``."""
    package = path.relative_to(ROOT.parent).with_suffix('').parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else ()
            stem = '.'.join([*base, *([node.module] if node.module else [])])
            names = [stem, *[f'{stem}.{alias.name}' for alias in node.names]]
        else:
            continue
        yield from (name[len('mmicf.'):] for name in names if name.startswith('mmicf.'))


@pytest.mark.parametrize('place', FORBIDDEN)
def test_imports_go_one_way(place):
    files = [ROOT / place] if place.endswith('.py') else sorted((ROOT / place).rglob('*.py'))
    assert files
    wrong = [(str(f.relative_to(ROOT)), name) for f in files for name in imported(f)
             for bad in FORBIDDEN[place] if name == bad or name.startswith(bad + '.')]
    assert wrong == []


def test_importing_needs_no_network():
    """Sockets raise; the whole package and all that registers itself must still import."""
    code = ('import socket\n'
            'def no(*a, **k): raise OSError("network used at import")\n'
            'socket.socket.connect = no; socket.create_connection = no; socket.getaddrinfo = no\n'
            'import mmicf, mmicf.datasets, mmicf.models, mmicf.engine, mmicf.evaluation, mmicf.visualization\n'
            'import sys; assert not {"laion_clap", "open_clip", "diffusers"} & set(sys.modules)\n')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_without_a_stack_the_message_says_what_to_install():
    code = ('import importlib.util as u\n'
            'real = u.find_spec\n'
            'u.find_spec = lambda name, *a: None if name == "mmcv" else real(name, *a)\n'
            'import mmicf\n')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 1 and "needs mmcv>=2.0.0,<2.4.0, found none; install a stack, the extra 'onedl'" in done.stderr
