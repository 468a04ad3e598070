"""Registration of everything in the package."""
from importlib import import_module

from mmengine.registry import init_default_scope

_PACKAGES = ('datasets', 'engine', 'evaluation', 'models', 'visualization')


def register_all_modules(init_scope: bool = True) -> None:
    """Import everything that registers itself, and make ``mmicf`` the default scope unless ``init_scope`` is False.

    The tools do not need it (registries know their locations); scripts and notebooks that build parts by hand do.
    """
    for name in _PACKAGES:
        import_module(f'mmicf.{name}')
    if init_scope:
        init_default_scope('mmicf')
