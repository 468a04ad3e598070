"""Tests of the allocator's setting, each in a process of its own: it cannot be taken back."""
import os
import subprocess
import sys

import pytest

# Page faults of a last tensor of 64 MiB, made after others were freed. Each of the first ones may leave a few bytes in malloc's
# cache that part it from the next.
FAULTS = '''
import resource, torch
from mmicf.utils import heap
heap.is_cuda_available = lambda: {cuda}
kept = heap.keep_freed_memory() if {call} else None
for _ in range(16):
    torch.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
again = torch.ones(2**24)
pages = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize()
print(kept, pages > 2**25)
'''


def run(*, call: bool = True, cuda: bool = False, **environment: str) -> list[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith('MALLOC_') and name != 'GLIBC_TUNABLES'}
    result = subprocess.run([sys.executable, '-c', FAULTS.format(call=call, cuda=cuda)], env=clean | environment,
                            capture_output=True, text=True, check=True)
    return result.stdout.split()


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='glibc alone')
def test_freed_memory_is_used_again():
    assert run(call=False) == ['None', 'True'], 'the test shows nothing: the allocator keeps memory of itself'
    assert run() == ['True', 'False']


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='glibc alone')
def test_the_environment_and_a_gpu_come_first():
    assert run(MALLOC_ARENA_MAX='2') == ['False', 'True']
    assert run(GLIBC_TUNABLES='glibc.malloc.arena_max=2') == ['False', 'True']
    assert run(cuda=True) == ['False', 'True']


def test_another_c_library(monkeypatch):
    from mmicf.utils import heap
    for name in list(os.environ):
        if name.startswith('MALLOC_') or name == 'GLIBC_TUNABLES':
            monkeypatch.delenv(name)
    monkeypatch.setattr(heap, 'is_cuda_available', lambda: False)
    monkeypatch.setattr(heap.ctypes, 'CDLL', lambda name: object())  # without mallopt
    assert heap.keep_freed_memory() is False
