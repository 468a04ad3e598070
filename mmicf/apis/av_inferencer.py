"""A clip in, masks out."""
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.utils import ProgressBar

from mmicf.registry import DATASETS, INFERENCERS, MODELS, TRANSFORMS
from mmicf.utils.audio_file import AudioFileError, resample
from mmicf.utils.checkpoint import check_keys, model_state, read_run_checkpoint
from mmicf.utils.clip_time import FRAME_OFFSET
from mmicf.utils.model_parts import training_only_names
from mmicf.utils.run_config import drop_training_parts
from mmicf.utils.type_name import type_name

from .media import Media, MediaError
from .open_media import check_names, input_name, open_media
from .result_writer import ResultWriter

MARGIN = 0.1  # seconds of sound on both sides of a window, for the resampling filter
LOADERS = ('LoadFrames', 'LoadMasks', 'LoadAudio', 'LoadLogMel', 'LoadMaskiges')


class FramePrediction(NamedTuple):
    """Prediction of one picture.

    Attributes:
        time: seconds into the input at which the picture is in view.
        labels: uint8 (H, W) class ids at the picture's own size.
        score: float32 (H, W) in [0, 1], probability of a sounding object, for binary models; else None.
    """
    time: float
    labels: np.ndarray
    score: np.ndarray | None


@INFERENCERS.register_module()
class AVSInferencer:
    """Segments what sounds in videos, folders of pictures with a sound file, or arrays.

    The model sees what its dataset shows it: clips of T seconds with one picture per second, the one in view at 15/16 of the
    second, and the sound of those seconds. ``fps`` above 1 runs as many interleaved clips; windows may overlap, and each
    picture is taken from the window in whose middle it lies. Long inputs are streamed.

    Args:
        model: config file, or its name below ``configs`` without ``.py`` ('icf_pvt_ms3').
        weights: checkpoint of training or a published one.
        device: None takes a GPU where there is one.
        num_frames: T; None: 5, the length of an AVSBench clip.

    Raises:
        FileNotFoundError: no such config or checkpoint.
        CheckpointMismatchError: a checkpoint of another model.
        ValueError: ``num_frames`` is not a whole number of at least 1, or the model needs maskiges, which an input does not have.
    """

    def __init__(self, model: str, weights: str, *, device: str | None = None, num_frames: int | None = None) -> None:
        self.num_frames = 5 if num_frames is None else _whole('num_frames', num_frames, 1)
        self.cfg = Config.fromfile(_config_file(model))
        init_default_scope(self.cfg.get('default_scope', 'mmicf'))
        drop_training_parts(self.cfg)
        self.device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        self.model = MODELS.build(self.cfg.model)
        content = read_run_checkpoint(weights)
        check_keys(self.model, content, weights, strict=True, optional=training_only_names(self.model))
        self.model.load_state_dict(model_state(content), strict=False)
        self.model.to(self.device).eval()
        self.model.test_size = 'ori'
        self.metainfo = DATASETS.get(self.cfg.test_dataloader.dataset.type).METAINFO
        steps = [dict(step) for step in self.cfg.test_dataloader.dataset.pipeline]
        names = [type_name(step) for step in steps]
        if 'LoadMaskiges' in names:
            raise ValueError(f'{model} sees maskiges, which an input does not have; use a config without them')
        loading = next((step for step, name in zip(steps, names, strict=True) if name == 'LoadAudio'), {})
        self.sample_rate, self.mono = loading.get('sample_rate', 16000), loading.get('mono', True)
        kept = [TRANSFORMS.build(step) for step, name in zip(steps, names, strict=True) if name not in LOADERS]
        if 'LoadLogMel' in names:
            kept.insert(0, TRANSFORMS.build(dict(type='LogMel')))
        self.pipeline = Compose(kept)

    # ------------------------------------------------------------------ inputs

    def __call__(self, inputs: str | dict | Sequence, *, out_dir: str | None = None, fps: int = 1, overlap: int = 0,
                 audio: str | None = None, frame_rate: float | None = None, missing_sound: str = 'error',
                 save: Sequence[str] = ('video', 'masks', 'rle'), progress: bool = True) -> dict | list[dict]:
        """Segments one input or a list of them.

        Args:
            inputs: video file, folder, ``dict(frames=, waveform=, sample_rate=, fps=, name=)``, or a list of these. Arrays
                without a name are called 'array', in a list 'array_0', 'array_1', ... by their place in it.
            out_dir: where results are written, a folder per input, named as it, in place of those of an earlier run; None:
                predictions are returned in memory instead.
            fps: pictures to segment per second, a whole number.
            overlap: seconds that a window shares with the next.
            audio: sound file of a folder, or heard in place of a video's own sound.
            frame_rate: pictures per second in a folder.
            missing_sound: 'error', or 'silence': what has no sound is heard as silence.
            save: what to write, of 'video' (masks over the pictures, with the original sound), 'masks' (PNG), 'rle' (json lines),
                'scores' (npz, of binary models).
            progress: show a bar.

        Returns:
            ``dict(name, classes, predictions)`` with a list of :class:`FramePrediction`, or with ``files`` and their
            ``count`` in place of predictions where they were written; a list of them for a list.

        Raises:
            MediaError, AudioFileError, FileNotFoundError: an input that cannot be used.
            ValueError: options that make no sense, or a list whose results would overwrite each other.
        """
        fps, overlap = _whole('fps', fps, 1), _whole('overlap', overlap, 0, self.num_frames - 1)
        if missing_sound not in ('error', 'silence'):
            raise ValueError(f"missing_sound must be 'error' or 'silence', got {missing_sound!r}")
        if isinstance(inputs, (list, tuple)):
            inputs = [{'name': f'array_{i}', **one} if isinstance(one, dict) else one for i, one in enumerate(inputs)]
            if out_dir is not None:
                check_names(inputs)
            return [self(one, out_dir=out_dir, fps=fps, overlap=overlap, audio=audio, frame_rate=frame_rate,
                         missing_sound=missing_sound, save=save, progress=progress) for one in inputs]
        with closing(open_media(inputs, audio=audio, fps=frame_rate)) as media:
            self._check_sound(media, missing_sound)
            predictions = self._bar(self.stream(media, fps=fps, overlap=overlap), media, fps, progress)
            out = dict(name=media.name, classes=self.metainfo['classes'])
            if out_dir is None:
                return {**out, 'predictions': list(predictions)}
            writer = ResultWriter(Path(out_dir) / input_name(inputs), media, inputs, self.metainfo, save, fps)
            files, count = writer.write(predictions)
            return {**out, 'files': files, 'count': count}

    def _check_sound(self, media: Media, missing_sound: str) -> None:
        short = media.duration - media.sound_duration
        if missing_sound == 'error' and (media.sound_duration == 0 or short > 1.):
            found = 'no sound' if media.sound_duration == 0 else f'{media.sound_duration:.2f} s of sound'
            raise MediaError(f"{media.name}: found {found} for {media.duration:.2f} s of pictures, expected sound of that length; "
                             "missing_sound='silence' hears silence where there is none")

    @staticmethod
    def _bar(predictions: Iterator[FramePrediction], media: Media, fps: int, progress: bool) -> Iterator[FramePrediction]:
        bar = ProgressBar(picture_count(media.duration, fps)) if progress else None
        for prediction in predictions:
            yield prediction
            if bar is not None:
                bar.update()

    # ------------------------------------------------------------------ windows

    def stream(self, media: Media, *, fps: int = 1, overlap: int = 0) -> Iterator[FramePrediction]:
        """Predictions in the order of time, holding one window of pictures."""
        seconds, count = (picture_count(media.duration, rate) for rate in (1, fps))
        length = min(self.num_frames, seconds)
        starts = window_starts(seconds, length, overlap)
        held: dict[float, np.ndarray] = {}
        for i, start in enumerate(starts):
            # What another window sees nearer to its middle is left to it.
            first = start if i == 0 else start + (starts[i - 1] + length - start) // 2
            end = start + length if i == len(starts) - 1 else start + length - (start + length - starts[i + 1] + 1) // 2
            times = sorted({start + k + FRAME_OFFSET + j / fps for k in range(length) for j in range(fps)
                            if (start + k) * fps + j < count})
            held = {time: frame for time, frame in held.items() if time in times}
            new = [time for time in times if time not in held]
            held.update(zip(new, media.frames([min(t, max(0., media.duration - 1e-3)) for t in new]), strict=True))
            sound = media.sound(max(0., start - MARGIN), start + length + 1 + MARGIN)
            out = []
            for j in range(fps):
                mine = [t for t in times if round((t - FRAME_OFFSET - start) * fps) % fps == j]
                if mine:
                    out += self._segment([held[t] for t in mine], mine, sound, start + j / fps, max(0., start - MARGIN), media)
            for prediction in sorted(out, key=lambda p: p.time):
                if first <= math.floor(prediction.time - FRAME_OFFSET + 1e-6) < end:
                    yield prediction

    def _segment(self, frames: list[np.ndarray], times: list[float], sound: np.ndarray, start: float, sound_start: float,
                 media: Media) -> list[FramePrediction]:
        """One clip through the model; ``sound`` begins at ``sound_start``, the clip at ``start``, in seconds."""
        count = len(frames)
        results = dict(clip_id=f'{media.name}@{start:.3f}', subset='input', split='test', category=None, num_frames=count,
                       frames=frames, frame_paths=[media.name] * count, mask_paths=[None] * count, has_gt=[False] * count,
                       mask_mode='index', mask_lut=None, num_classes=len(self.metainfo['classes']),
                       audio=[dict(path=media.name, position=None)], log_mel_path=None, sample_idx=0,
                       ori_shape=frames[0].shape[:2], img_shape=frames[0].shape[:2], rng=np.random.default_rng(0),
                       waveform=self._cut(sound, start - sound_start, count, media), sample_rate=self.sample_rate)
        data = pseudo_collate([self.pipeline(results)])
        with torch.inference_mode():
            sample, = self.model.test_step(data)
        return [FramePrediction(time, frame.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8),
                                frame.av_score.data[0].cpu().numpy() if 'av_score' in frame else None)
                for time, frame in zip(times, sample.frames, strict=True)]

    def _cut(self, sound: np.ndarray, offset: float, seconds: int, media: Media) -> np.ndarray:
        """``seconds`` from ``offset`` on, at the model's rate, (C, L); silence where there is no sound."""
        if self.mono:
            sound = sound.mean(0, keepdims=True)
        elif len(sound) == 1:
            sound = np.repeat(sound, 2, 0)
        target = self.sample_rate or media.sample_rate
        try:
            sound = resample(np.ascontiguousarray(sound, np.float32), media.sample_rate, target) if sound.size else sound
        except ValueError as error:
            raise AudioFileError(f'{media.name}: {error}') from None
        first, need = round(offset * target), seconds * target
        sound = sound[:, first:first + need]
        return np.pad(sound, ((0, 0), (0, need - sound.shape[1])))


def picture_count(duration: float, fps: int) -> int:
    """Pictures to segment in so many seconds: those at ``FRAME_OFFSET`` + n / ``fps``, as long as one is in view; at least one."""
    return max(1, math.floor((duration - FRAME_OFFSET + 1e-3) * fps) + 1)


def window_starts(seconds: int, length: int, overlap: int) -> list[int]:
    """First seconds of the windows over an input: they share ``overlap`` seconds, the last one is shifted back to fit."""
    step = length - min(overlap, length - 1)
    starts = list(range(0, max(1, seconds - length + 1), step))
    if starts[-1] + length < seconds:
        starts.append(seconds - length)
    return starts


def _whole(name: str, value: float, least: int, most: int | None = None) -> int:
    if not float(value).is_integer() or value < least or (most is not None and value > most):
        limits = f'of at least {least}' if most is None else f'in {least}..{most}'
        raise ValueError(f'{name} must be a whole number {limits}, got {value}')
    return int(value)


def _config_file(model: str) -> str:
    path = Path(model)
    if path.suffix == '.py':
        if not path.is_file():
            raise FileNotFoundError(f'{model}: no such config')
        return model
    root = Path(__file__).resolve().parents[1] / '.mim' / 'configs'
    paths = {path.stem: str(path) for path in root.rglob('*.py') if '_base_' not in path.parts}
    if model not in paths:
        alike = [name for name in sorted(paths) if name.startswith(model)] or get_close_matches(model, paths)
        raise FileNotFoundError(f'{model}: no config has that name' + (f"; there are {', '.join(alike[:6])}" if alike else '')
                                + '. Give one of configs, without .py, or the path of a config file')
    return paths[model]
