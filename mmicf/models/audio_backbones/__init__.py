"""Audio backbones: one embedding per frame."""
from .htsat import HTSAT
from .vggish import VGGish

__all__ = ['HTSAT', 'VGGish']
