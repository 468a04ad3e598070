"""The clock's arithmetic, on a hand-driven clock."""
import pytest
import torch
from torch import nn

from mmicf.utils.timing import Clock, summarise


class Manual(Clock):

    def __init__(self):
        super().__init__('cpu')
        self.time = 0.

    def now(self):
        return self.time

    def cpu_now(self):
        return 2 * self.time  # two threads


class Waits(nn.Module):

    def __init__(self, clock, seconds):
        super().__init__()
        self.clock, self.seconds = clock, iter(seconds)

    def forward(self, x):
        self.clock.time += next(self.seconds)
        return x


def test_summary():
    assert summarise([5, 1, 2, 3, 4], [9, 6, 7, 8, 6.5]) == (3, 2, 4, 7)
    assert summarise([7.], [9.]) == (7., 7., 7., 9.)


def test_calls_take_turns_and_warm_up_is_left_out():
    clock, order = Manual(), []
    slow, fast = Waits(clock, [100, 1, 2, 3]), Waits(clock, [50, 10, 10, 10])
    times = clock.measure({'slow': lambda: order.append('s') or slow(0), 'fast': lambda: order.append('f') or fast(0)},
                          runs=3, warmup=1)
    assert times['slow'].median == 2 and times['fast'] == (10, 10, 10, 20)
    assert ''.join(order) == 'sfsfsfsf'


def test_parts_add_up_over_calls_and_leave_no_hooks():
    clock = Manual()
    part, other = Waits(clock, [9, 9, 1, 1, 2, 2]), Waits(clock, [9, 5, 7])
    whole = nn.Sequential(part, part, other)
    spent = clock.measure_parts({'part': part, 'other': other}, lambda: whole(0), runs=2, warmup=1)
    assert spent == {'': pytest.approx(9.), 'part': 3., 'other': 6.}
    assert not part._forward_hooks and not part._forward_pre_hooks


def test_peak_memory_sees_a_large_tensor():
    clock = Clock('cpu')
    before = clock.peak_memory()
    block = torch.ones(int(before * 2**20 / 4) + 40 * 2**18)  # more than the peak so far, and 40 MiB
    assert clock.peak_memory() > before + 30 and len(block)
