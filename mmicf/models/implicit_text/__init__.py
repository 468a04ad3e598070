"""Multi-granularity implicit text (ICF Sec. 3.2)."""
from .elements import ClipElements, clip_elements
from .implicit_text import ImplicitText

__all__ = ['ClipElements', 'ImplicitText', 'clip_elements']
