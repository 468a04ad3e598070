"""mmicf: audio-visual segmentation inside MMSegmentation."""
from importlib import import_module

from mmengine.utils import digit_version

from .version import __version__

# Two stacks (OneDL forks and upstream OpenMMLab) share these import names, so pip cannot state the requirement: we check.
_SUPPORTED = {'mmengine': ('0.10.0', '1.0.0'), 'mmcv': ('2.0.0', '2.4.0'), 'mmseg': ('1.2.0', '2.0.0')}
for _name, (_low, _high) in _SUPPORTED.items():
    _found = import_module(_name).__version__
    if not digit_version(_low) <= digit_version(_found) < digit_version(_high):
        raise ImportError(f'mmicf {__version__} needs {_name}>={_low},<{_high}, found {_found}; '
                          "install one stack with `pip install 'mmicf[onedl]'` or `'mmicf[upstream]'`")

__all__ = ['__version__']
