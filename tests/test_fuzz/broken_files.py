"""Broken files for hypothesis, and what a reader may do with them."""
import sys

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mmicf.apis.media import MediaError
from mmicf.datasets.clip_files import DatasetError
from mmicf.utils.audio_file import AudioFileError
from mmicf.utils.safe_pickle import UnsafePickleError

OURS = (ValueError, FileNotFoundError, DatasetError, AudioFileError, MediaError, UnsafePickleError)
HEADER = 160  # bytes at the start of a file that are damaged as often as all others


def bounded(examples):
    """The same few examples in every run."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example]
    return settings(derandomize=True, deadline=None, database=None, max_examples=examples, suppress_health_check=checks)


def places(size):
    return st.integers(0, min(size, HEADER) - 1) | st.integers(0, size - 1)


@st.composite
def flipped(draw, valid):
    """A file with one to six bits flipped."""
    out = bytearray(valid)
    for at, bit in draw(st.lists(st.tuples(places(len(valid)), st.integers(0, 7)), min_size=1, max_size=6)):
        out[at] ^= 1 << bit
    return bytes(out)


def truncated(valid):
    return places(len(valid)).map(lambda n: valid[:n])


@st.composite
def spliced(draw, valid):
    """A file with a part overwritten, inserted, cut out, doubled, or the rest replaced."""
    a, b = sorted(draw(st.tuples(places(len(valid)), places(len(valid)))))
    noise = draw(st.binary(min_size=1, max_size=24))
    return draw(st.sampled_from([
        valid[:a] + noise + valid[a + len(noise):], valid[:a] + noise + valid[a:], valid[:a] + valid[b:],
        valid[:b] + valid[a:], valid[:a] + noise]))


def damaged(valid):
    return st.one_of(flipped(valid), flipped(valid), truncated(valid), spliced(valid), st.binary(max_size=200))


def read_or_refuse(read, path):
    """What ``read`` returns; None if it refused the file by one of our errors that names it. Anything else is a failure."""
    try:
        return read(path)
    except Exception as error:
        if type(error) not in OURS or path.name not in str(error):
            raise
        return None


class Watch:
    """Notes what Python reports of programs, code and files that were run, compiled or written while it is on."""
    EVENTS = ('os.system', 'os.exec', 'os.posix_spawn', 'os.fork', 'subprocess.Popen', 'exec', 'compile', 'import', 'os.remove',
              'os.rename', 'os.mkdir', 'socket.connect', 'ctypes.dlopen')

    def __init__(self):
        self.on, self.seen = False, []
        sys.addaudithook(self._note)  # for good; it costs one comparison while off

    def _note(self, event, arguments):
        if not self.on:
            return
        written = event == 'open' and isinstance(arguments[1], str) and set(arguments[1]) & set('wax+')
        if event in self.EVENTS or written:
            self.seen.append((event, str(arguments)[:100]))

    def __enter__(self):
        self.on, self.seen = True, []
        return self

    def __exit__(self, *_):
        self.on = False
