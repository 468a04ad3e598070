"""Modules of ``laion_clap`` without its package code.

``import laion_clap`` fetches three tokenizers from the hub (and hangs without a network) and pulls in training-only
packages, yet the networks sit in ``laion_clap.clap_module`` and need none of that. So the ``__init__`` files of both
packages are left out: empty stand-ins take their place while one module is imported, and go away again, so a later
plain ``import laion_clap`` still works. Nothing here opens a connection, hence no switch of the hub's global offline
mode is needed.
"""
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_PACKAGE = 'laion_clap'


def _stand_in(name: str, folder: Path) -> ModuleType:
    module = ModuleType(name)
    module.__path__ = [str(folder)]
    return module


def import_clap_module(name: str) -> ModuleType:
    """``laion_clap.clap_module.<name>``, e.g. ``'htsat'`` or ``'model'``, imported without any network.

    Raises:
        ImportError: ``laion_clap`` is not installed; the message names the extra.
    """
    full = f'{_PACKAGE}.clap_module.{name}'
    if full in sys.modules:
        return sys.modules[full]
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("HTSAT and LAION-CLAP need the package laion_clap: pip install 'mmicf[clap]' "
                          '(with numpy>=2: pip install --no-deps laion_clap)')
    folder = Path(spec.submodule_search_locations[0])
    added = []
    for package, location in ((_PACKAGE, folder), (f'{_PACKAGE}.clap_module', folder / 'clap_module')):
        if package not in sys.modules:
            sys.modules[package] = _stand_in(package, location)
            added.append(package)
    try:
        return importlib.import_module(full)
    finally:
        for package in added:
            del sys.modules[package]
