"""mmicf: audio-visual segmentation inside MMSegmentation."""
from importlib import import_module
from importlib.util import find_spec

from .version import __version__

# Two stacks (OneDL forks and upstream OpenMMLab) share these import names, so pip cannot state the requirement: we check.
_SUPPORTED = {'mmengine': ('0.10.0', '1.0.0'), 'mmcv': ('2.0.0', '2.4.0'), 'mmseg': ('1.2.0', '2.0.0')}
for _name, (_low, _high) in _SUPPORTED.items():
    _found = import_module(_name).__version__ if find_spec(_name) else None
    if _found is not None:
        from mmengine.utils import digit_version
        if digit_version(_low) <= digit_version(_found) < digit_version(_high):
            continue
    raise ImportError(f'mmicf {__version__} needs {_name}>={_low},<{_high}, found {_found or "none"}; '
                      "install a stack, the extra 'onedl' or 'upstream' (docs/en/install.md)")

__all__ = ['__version__']
