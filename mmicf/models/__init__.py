"""Models: segmentors build their parts through the MODELS registry."""
from .anchors import CLAPAudioAnchor, CLIPImageAnchor
from .audio_backbones import HTSAT, VGGish
from .avsegformer import AVSegFormerHead
from .backbones import OfficialPVTv2Init, OfficialResNetInit
from .combo import COMBO, COMBOHead, COMBOQueryDecoder
from .counterfactuals import (
    DiscreteCounterfactual,
    FeatureLevelCounterfactual,
    PairSwapCounterfactual,
    PrecomputedCounterfactual,
    SemanticCounterfactual,
)
from .data_preprocessor import AVDataPreprocessor
from .ddeseg import DDESeg, DDESegBackbone, DDESegHead, DynamicDerivation, OfficialMiTInit, RegionLoss, SemanticMemory
from .decode_heads import AVMask2FormerHead, BidirectionalQueryDecoder
from .icf import ImplicitCounterfactual
from .implicit_text import ImplicitText
from .losses import CDCLLoss, MaskMatchingLoss
from .necks import AudioNeck, AVFusionNeck, MITNeck
from .pixel_decoders import MSDeformAttnPixelDecoder
from .segmentors import AVEncoderDecoder, AVSegmentor
from .text_encoders import CLAPTextEncoder, OpenCLIPTextEncoder
from .tpavi import TPAVIHead

__all__ = [
    'COMBO',
    'HTSAT',
    'AVDataPreprocessor',
    'AVEncoderDecoder',
    'AVFusionNeck',
    'AVMask2FormerHead',
    'AVSegFormerHead',
    'AVSegmentor',
    'AudioNeck',
    'BidirectionalQueryDecoder',
    'CDCLLoss',
    'CLAPAudioAnchor',
    'CLAPTextEncoder',
    'CLIPImageAnchor',
    'COMBOHead',
    'COMBOQueryDecoder',
    'DDESeg',
    'DDESegBackbone',
    'DDESegHead',
    'DiscreteCounterfactual',
    'DynamicDerivation',
    'FeatureLevelCounterfactual',
    'ImplicitCounterfactual',
    'ImplicitText',
    'MITNeck',
    'MSDeformAttnPixelDecoder',
    'MaskMatchingLoss',
    'OfficialMiTInit',
    'OfficialPVTv2Init',
    'OfficialResNetInit',
    'OpenCLIPTextEncoder',
    'PairSwapCounterfactual',
    'PrecomputedCounterfactual',
    'RegionLoss',
    'SemanticCounterfactual',
    'SemanticMemory',
    'TPAVIHead',
    'VGGish'
]
