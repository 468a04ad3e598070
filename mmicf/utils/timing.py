"""Wall time of a model and of its parts, and peak memory."""
import json
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile


class Times(NamedTuple):
    """Seconds: median and the quartiles around it, and the median that the process' threads took of the CPU together."""
    median: float
    low: float
    high: float
    cpu: float

    def __str__(self) -> str:
        return f'{self.median:.4g} s ({self.low:.4g} to {self.high:.4g}; {self.cpu:.4g} CPU s)'


def summarise(seconds: Sequence[float], cpu: Sequence[float]) -> Times:
    """Of at least one measurement, wall and CPU seconds of each."""
    if len(seconds) == 1:
        return Times(*seconds * 3, *cpu)
    low, median, high = statistics.quantiles(seconds, n=4, method='inclusive')
    return Times(median, low, high, statistics.median(cpu))


class Clock:
    """Times calls on a device, waiting for a GPU to finish.

    Args:
        device: where the work runs.
    """

    def __init__(self, device: torch.device | str) -> None:
        self.device = torch.device(device)

    def now(self) -> float:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def cpu_now(self) -> float:
        return time.process_time()

    def measure(self, calls: dict[str, Callable[[], object]], *, runs: int, warmup: int) -> dict[str, Times]:
        """Times of each call; the calls take turns, so that a slow moment of the machine meets all of them."""
        seconds, cpu = defaultdict(list), defaultdict(list)
        for turn in range(warmup + runs):
            for name, call in calls.items():
                start, cpu_start = self.now(), self.cpu_now()
                call()
                if turn >= warmup:
                    seconds[name].append(self.now() - start)
                    cpu[name].append(self.cpu_now() - cpu_start)
        return {name: summarise(seconds[name], cpu[name]) for name in seconds}

    def measure_parts(self, parts: dict[str, nn.Module], call: Callable[[], object], *, runs: int,
                      warmup: int) -> dict[str, float]:
        """Median seconds that each part spends in its forward during ``call``, and those of the whole under ``''``."""
        spent: dict[str, float] = defaultdict(float)
        started: dict[str, float] = {}
        handles = []
        for name, module in parts.items():
            handles += [module.register_forward_pre_hook(lambda *_, n=name: started.__setitem__(n, self.now())),
                        module.register_forward_hook(
                            lambda *_, n=name: spent.__setitem__(n, spent[n] + self.now() - started.pop(n)))]
        rounds = []
        try:
            for turn in range(warmup + runs):
                spent.clear()
                start = self.now()
                call()
                spent[''] = self.now() - start
                if turn >= warmup:
                    rounds.append(dict(spent))
        finally:
            for handle in handles:
                handle.remove()
        return {name: statistics.median([r.get(name, 0.) for r in rounds]) for name in ('', *parts)}

    def reset_peak_memory(self) -> None:
        """Start a new peak; a no-op on a CPU, where the process keeps its peak."""
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_memory(self) -> float:
        """MiB: the most that tensors took on a GPU, or the process' resident set on a CPU, everything imported included."""
        if self.device.type == 'cuda':
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == 'darwin' else 2**10)


def allocated_peak(run: Callable[[], object], device: torch.device) -> float:
    """MiB that tensors take at most during ``run``, above what was there before."""
    if device.type == 'cuda':
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'trace.json'
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())['traceEvents']
    changes = sorted((e['ts'], e['args']['Bytes']) for e in events if e.get('name') == '[memory]')
    held = peak = 0
    for _, change in changes:
        held += change
        peak = max(peak, held)
    return peak / 2**20
