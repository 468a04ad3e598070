"""What all audio-visual datasets share: one item is one clip, random draws are stateless, files are checked up
front."""
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from mmengine.dataset import BaseDataset

from mmicf.registry import TRANSFORMS

from .clip_files import DatasetError, Problem, find_problems
from .offscreen import move_offscreen_sounds, set_categories


class BaseAVDataset(BaseDataset):
    """A dataset of clips; the keys of a data info are listed in docs/en/data_flow.md.

    A subclass sets ``METAINFO`` (``classes``, ``palette``), ``ANN_FILE`` and ``LAYOUT`` and writes
    :meth:`load_data_list`.

    What a clip looks like depends on (seed, epoch, index) alone: transforms draw from ``results['rng']`` and nothing
    else, so neither the worker that loads a clip nor what was loaded before it matters. ``epoch`` is a tensor in shared
    memory that holds (epoch, run seed), set before each training epoch (:meth:`set_epoch`, :meth:`set_run_seed`), and is
    seen by workers that already run. mmengine's
    ``RepeatDataset`` asks for an index several times in an epoch and gets the same clip each time.

    A sample is never replaced by another one: a pipeline that returns None raises.

    Args:
        data_root: see the subclass.
        split: which clips.
        pipeline: transforms, as configs or callables.
        ann_file: csv file within ``data_root``; None is the layout's own name.
        seed: of the random draws; None takes the run's, which ``SeedHook`` sets (0 outside of training).
        shuffle_audio: seed of a permutation that gives every clip the sound of another clip with equally many frames
            (no clip keeps its own), to test what a model owes to hearing. None leaves the sound.
        offscreen_audio: seed of a draw that gives every clip the sound of another clip with equally many frames and no class in
            common, by ``category`` or ``categories``: sound that nothing in view makes. None leaves the sound.
        categories: json file of ``{clip_id: [class names]}``, for sets that name no classes (MS3).
        log_mel_dir: folder of cached ``{clip_id}.npy`` log-mel files; it replaces the layout's own log-mel files. The sound
            files may then be gone, unless the pipeline has a ``LoadAudio``.
        verify: look for every file when the dataset is built (one listing per folder) and report all that is missing at
        once.
        indices: mmengine's: the first (last, if negative) so many clips, or a list of indices.
        metainfo, serialize_data, test_mode, lazy_init: as in :class:`mmengine.dataset.BaseDataset`.

    Raises:
        FileNotFoundError: ``data_root`` or the csv file is missing.
        DatasetError: files of clips are missing or do not fit; it names clip, path, what was found and what was
        expected.
        ValueError: unknown split, csv or label file that does not fit, or a shuffle that has nothing to swap.
    """

    SPLITS: tuple[str, ...] = ('train', 'val', 'test')
    ANN_FILE: str = ''
    LAYOUT: str = ''
    FRAMES_OWN_FOLDER: bool = True

    def __init__(self, *, data_root: str, split: str, pipeline: Sequence[dict | Callable] = (),
                 ann_file: str | None = None, seed: int | None = None, shuffle_audio: int | None = None,
                 offscreen_audio: int | None = None, categories: str | None = None, log_mel_dir: str | None = None,
                 verify: bool = True, indices: int | Sequence[int] | None = None,
                 metainfo: dict | None = None, serialize_data: bool = True, test_mode: bool = False,
                 lazy_init: bool = False) -> None:
        if split not in self.SPLITS:
            raise ValueError(f'{type(self).__name__} has the splits {list(self.SPLITS)}, got {split!r}')
        self.split = split
        self.seed = seed
        self.shuffle_audio = shuffle_audio
        if shuffle_audio is not None and offscreen_audio is not None:
            raise ValueError('shuffle_audio and offscreen_audio both move the sounds: give one of them')
        self.offscreen_audio, self.categories = offscreen_audio, categories
        self.log_mel_dir = log_mel_dir
        self.verify = verify
        self.epoch = torch.zeros(2, dtype=torch.int64).share_memory_()
        self._clip_lengths = np.zeros(0, dtype=np.int64)
        super().__init__(
            ann_file=ann_file or self.ANN_FILE, data_root=str(data_root), data_prefix={}, metainfo=metainfo,
            indices=indices, serialize_data=serialize_data, test_mode=test_mode, lazy_init=lazy_init, max_refetch=0,
            pipeline=[TRANSFORMS.build(t) if isinstance(t, dict) else t for t in pipeline])

    @abstractmethod
    def load_data_list(self) -> list[dict]:
        """One data info per clip of the split, in the order of the csv file."""

    @property
    def num_classes(self) -> int:
        return len(self._metainfo['classes'])

    def set_epoch(self, epoch: int) -> None:
        """Choose the random draws of ``epoch``, also in worker processes that are running."""
        self.epoch[0] = epoch

    def set_run_seed(self, seed: int) -> None:
        """The seed of a dataset that was given none; likewise."""
        self.epoch[1] = seed

    def full_init(self) -> None:
        """Load, select, check and serialise the clips (once)."""
        if self._fully_initialized:
            return
        if not os.path.isdir(self.data_root):
            raise FileNotFoundError(f'{self.data_root}: no such folder; {type(self).__name__} expects {self.LAYOUT}')
        self.data_list = self.load_data_list()
        if self._indices is not None:
            self.data_list = self._get_unserialized_subset(self._indices)
        self._check_clip_ids()
        if self.log_mel_dir is not None:
            hears = any(type(step).__name__ == 'LoadAudio' for step in self.pipeline.transforms)
            for info in self.data_list:
                info['log_mel_path'] = os.path.join(self.log_mel_dir, info['clip_id'] + '.npy')
                if not hears and not all(os.path.isfile(source['path']) for source in info['audio']):
                    info['audio'] = []  # as S4 and MS3 without audio_wav
        if self.verify:
            problems = self.find_problems()
            if problems:
                title = f'{type(self).__name__} {self.split} at {self.data_root}'
                raise DatasetError(title, problems, len(self.data_list))
        if self.categories is not None:
            set_categories(self.data_list, self.categories)
        if self.shuffle_audio is not None:
            self._shuffle_audio(self.shuffle_audio)
        if self.offscreen_audio is not None:
            move_offscreen_sounds(self.data_list, self.offscreen_audio)
        self._clip_lengths = np.array([info['num_frames'] for info in self.data_list], dtype=np.int64)
        if self.serialize_data:
            self.data_bytes, self.data_address = self._serialize_data()
        self._fully_initialized = True

    def find_problems(self) -> list[Problem]:
        """Missing folders and files of all clips; what ``verify=True`` raises."""
        clips = self.data_list or [self.get_data_info(i) for i in range(len(self))]
        return find_problems(clips, self.FRAMES_OWN_FOLDER)

    def prepare_data(self, idx: int) -> dict:
        """The ``idx``-th clip after the pipeline."""
        results = self.get_data_info(idx)
        index = results['sample_idx']
        epoch, run_seed = self.epoch.tolist()
        results['rng'] = np.random.default_rng((run_seed if self.seed is None else self.seed, epoch, index))
        results['get_donor'] = partial(self._draw_donor, index)
        packed = self.pipeline(results)
        if packed is None:
            raise RuntimeError(f'clip {results["clip_id"]}: a transform returned None; mmicf never replaces a clip by '
                               'another one')
        return packed

    def get_subset_(self, indices: int | Sequence[int]) -> None:
        super().get_subset_(indices)
        self._clip_lengths = _take(self._clip_lengths, indices)

    def get_subset(self, indices: int | Sequence[int]) -> 'BaseAVDataset':
        subset = super().get_subset(indices)
        subset._clip_lengths = _take(self._clip_lengths, indices)
        subset.epoch = subset.epoch.clone().share_memory_()  # the copy is not in shared memory
        return subset

    def _draw_donor(self, index: int, rng: np.random.Generator) -> dict:
        """Data info of another clip with as many frames as clip ``index``, drawn with ``rng``."""
        others = np.flatnonzero(self._clip_lengths == self._clip_lengths[index])
        others = others[others != index]
        if not len(others):
            raise ValueError(f'clip {self.get_data_info(index)["clip_id"]} is the only one of {len(self)} with '
                             f'{self._clip_lengths[index]} frames; a donor needs a second one')
        return self.get_data_info(int(rng.choice(others)))

    def _check_clip_ids(self) -> None:
        if not self.data_list:
            raise ValueError(f'{self.data_root}: no clip is left with indices={self._indices}, expected at least one')
        for info in self.data_list:  # predictions and caches are stored under the id
            if os.path.isabs(info['clip_id']) or '..' in info['clip_id'].split('/'):
                raise ValueError(f'{self.ann_file}: found the clip id {info["clip_id"]!r}, expected no path that leaves its folder')
        clip_id, count = Counter(info['clip_id'] for info in self.data_list).most_common(1)[0]
        if count > 1:
            raise ValueError(f'{self.data_root}: clip {clip_id} is listed {count} times, expected once')

    def _shuffle_audio(self, seed: int) -> None:
        """Move each clip's sound to the next clip of a random cycle through all clips with the same number of
        frames."""
        rng = np.random.default_rng(seed)
        lengths = np.array([info['num_frames'] for info in self.data_list])
        sounds = [(info['audio'], info['log_mel_path']) for info in self.data_list]
        for length in np.unique(lengths):
            cycle = rng.permutation(np.flatnonzero(lengths == length))
            if len(cycle) == 1:
                raise ValueError(f'shuffle_audio: clip {self.data_list[cycle[0]]["clip_id"]} is the only one of '
                                 f'{len(self.data_list)} with {length} frames; expected at least two')
            for to, source in zip(cycle, np.roll(cycle, 1), strict=True):
                self.data_list[to]['audio'], self.data_list[to]['log_mel_path'] = sounds[source]


def _take(array: np.ndarray, indices: int | Sequence[int]) -> np.ndarray:
    """As mmengine's subsets: an integer means the first (last, if negative) so many."""
    if isinstance(indices, int):
        return array[:indices] if indices >= 0 else array[indices:]
    return array[list(indices)]
