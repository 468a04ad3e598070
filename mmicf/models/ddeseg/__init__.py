"""DDESeg: sounds derived from a memory of single sources, and eliminated where the picture does not show them."""
from .backbone import DDESegBackbone, OfficialMiTInit
from .derivation import DynamicDerivation
from .elimination import SCHEMES, DynamicElimination
from .fusion import FeatureFusion, GatedFusion
from .head import DDESegHead
from .losses import RegionLoss
from .memory import SemanticMemory, build_memory
from .memory_file import backbone_settings, load_bank, load_memory, memory_from_bank, save_memory
from .segmentor import DDESeg

__all__ = [
    'SCHEMES', 'DDESeg', 'DDESegBackbone', 'DDESegHead', 'DynamicDerivation', 'DynamicElimination', 'FeatureFusion',
    'GatedFusion', 'OfficialMiTInit', 'RegionLoss', 'SemanticMemory', 'backbone_settings', 'build_memory', 'load_bank',
    'load_memory', 'memory_from_bank', 'save_memory'
]
