"""How the process keeps memory on a CPU."""
import ctypes
import os

from mmengine.device import is_cuda_available

# Parameters of mallopt(3), malloc.h of glibc.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let glibc's allocator keep freed blocks of any size for the next step, where the model runs on the CPU.

    By default it returns every large block to the kernel, which hands out zeroed pages again in the next step: that takes an
    eighth of a training step and more (docs/en/decisions.md, "Freed memory on a CPU").
    Nothing changes where a GPU runs the model (little is allocated here), under another C library, or if the environment
    itself sets the allocator (``MALLOC_…`` or ``GLIBC_TUNABLES``). Results do not depend on it.

    Returns:
        whether freed blocks are kept from here on.
    """
    chosen = any(name.startswith('MALLOC_') or name == 'GLIBC_TUNABLES' for name in os.environ)
    if is_cuda_available() or chosen:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no glibc
        return False
    # All from the heap, which never shrinks; mallopt returns 1 where it took the value.
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
