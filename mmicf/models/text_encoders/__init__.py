"""Frozen text towers that read learned pseudo-tokens."""
from .clap import CLAPTextEncoder
from .openclip import OpenCLIPTextEncoder

__all__ = ['CLAPTextEncoder', 'OpenCLIPTextEncoder']
