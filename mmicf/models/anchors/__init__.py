"""Frozen image and audio towers, whose embeddings anchor the retrieval of implicit text (ICF Eq. 3)."""
from .clap_audio import CLAPAudioAnchor
from .clip_image import CLIPImageAnchor

__all__ = ['CLAPAudioAnchor', 'CLIPImageAnchor']
