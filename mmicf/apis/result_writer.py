"""What the inferencer writes: a video with masks and the original sound, masks as PNG, COCO run lengths, scores."""
import itertools
import json
import math
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from mmicf.utils.clip_time import mask_name
from mmicf.visualization import AVSLocalVisualizer

from .display_matrix import upright
from .media import Media, MediaError
from .open_media import open_media
from .video_file import SoundTrack, write_video
from .video_media import VideoMedia

FILES = dict(video='overlay.mp4', masks='masks', rle='masks.jsonl', scores='scores.npz')
KINDS = tuple(FILES)
MASK_NAME = re.compile(r'[0-9]{5,}\.[0-9]{4}\.png')  # mask_name's


def run_lengths(mask: np.ndarray) -> dict:
    """COCO's uncompressed run lengths of a boolean mask (H, W): column by column, starting with zeros."""
    flat = np.asarray(mask, bool).ravel(order='F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return dict(size=list(mask.shape), counts=[0, *runs] if flat.size and flat[0] else runs)


class ResultWriter:
    """Writes predictions as they come, in place of those of an earlier run.

    Args:
        folder: for the results of one input.
        media: the input, for its name and size.
        source: what it was opened from; the video is read a second time for its own pictures.
        metainfo: classes and palette.
        save: of 'video', 'masks', 'rle', 'scores'.
        fps: predictions per second, the frame rate of the video of a folder or an array.

    Raises:
        ValueError: an unknown kind, or scores of a model that has none because it tells classes apart.
        MediaError: a video of pictures with a side below 2, or results that would replace a file or folder that is read.
    """

    def __init__(self, folder: Path, media: Media, source: str | dict, metainfo: dict, save: Sequence[str], fps: int) -> None:
        unknown = [kind for kind in save if kind not in KINDS]
        if unknown:
            raise ValueError(f'save must name some of {list(KINDS)}, got {unknown}')
        if 'scores' in save and len(metainfo['classes']) != 2:
            raise ValueError(f"save='scores' is for binary models; found one of {len(metainfo['classes'])} classes")
        if 'video' in save and min(media.size) < 2:
            height, width = media.size
            raise MediaError(f'{media.name}: found pictures of {height} rows and {width} columns, expected 2 or more of both for a '
                             "video; name other kinds than 'video' in save")
        self.paths = {kind: folder / name for kind, name in FILES.items()}
        for path in self.paths.values():
            if any(path.exists() and file.exists() and path.samefile(file) for file in media.files):
                raise MediaError(f'{media.name}: found {path} among what is read, which the results would replace; expected '
                                 'another output folder')
        self.folder, self.media, self.source, self.save, self.fps = folder, media, source, save, fps
        self.metainfo = metainfo
        self.painter = AVSLocalVisualizer()
        self.painter.dataset_meta = metainfo

    def write(self, predictions: Iterator) -> tuple[list[str], int]:
        """Consumes all predictions; the files and folders written, and the number of predictions.

        What an earlier run wrote into the folder is removed first, whatever it was to save: all that is found is of one run.
        """
        predictions = self._counted(predictions)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_old_results()
        files = []
        if 'masks' in self.save:
            self.paths['masks'].mkdir(exist_ok=True)
            files.append(str(self.paths['masks']))
            predictions = self._masks(predictions)
        if 'rle' in self.save:
            files.append(str(self.paths['rle']))
            predictions = self._rle(predictions)
        if 'scores' in self.save:
            files.append(str(self.paths['scores']))
            predictions = self._scores(predictions)
        if 'video' in self.save:
            path = self.paths['video']
            files.append(str(path))
            if isinstance(self.media, VideoMedia):
                self._video_like_the_input(predictions, path)
            else:
                self._video_of_predictions(predictions, path)
        for _ in predictions:
            pass
        return files, self.count

    def _remove_old_results(self) -> None:
        """Removes what this class writes, and no other file."""
        for kind in ('video', 'rle', 'scores'):
            self.paths[kind].unlink(missing_ok=True)
        masks = self.paths['masks']
        if masks.is_dir():
            for path in list(masks.iterdir()):
                if MASK_NAME.fullmatch(path.name):
                    path.unlink()
            if not any(masks.iterdir()) and not masks.is_symlink():
                masks.rmdir()

    def _counted(self, predictions: Iterator) -> Iterator:
        self.count = 0
        for self.count, prediction in enumerate(predictions, 1):
            yield prediction

    def _masks(self, predictions: Iterator) -> Iterator:
        palette = np.zeros((256, 3), np.uint8)
        palette[:len(self.metainfo['palette'])] = self.metainfo['palette']
        for prediction in predictions:
            image = Image.fromarray(prediction.labels, mode='P')
            image.putpalette(palette.ravel().tolist())
            image.save(self.paths['masks'] / mask_name(prediction.time))
            yield prediction

    def _rle(self, predictions: Iterator) -> Iterator:
        with open(self.paths['rle'], 'w', encoding='utf-8') as file:
            for prediction in predictions:
                found = [c for c in np.unique(prediction.labels).tolist() if c]
                segments = [dict(category_id=c, category=self.metainfo['classes'][c],
                                 segmentation=run_lengths(prediction.labels == c)) for c in found]
                file.write(json.dumps(dict(time=round(prediction.time, 4), segments=segments)) + '\n')
                yield prediction

    def _scores(self, predictions: Iterator) -> Iterator:
        """An npz file of an array per picture, of which one is held in memory."""
        with zipfile.ZipFile(self.paths['scores'], 'w', zipfile.ZIP_DEFLATED) as file:
            for prediction in predictions:
                with file.open(Path(mask_name(prediction.time)).stem + '.npy', 'w') as member:
                    np.lib.format.write_array(member, prediction.score.astype(np.float16), allow_pickle=False)
                yield prediction

    def _video_like_the_input(self, predictions: Iterator, path: Path) -> None:
        """Every picture of the input with the mask nearest in time, and the sound that was heard.

        The packets of a video's own sound are copied where mp4 can hold them; other sound becomes AAC. Pictures are written
        upright, so that nothing is left for a player to turn.
        """
        import av
        before, after = None, next(predictions, None)
        with ExitStack() as opened:
            given = opened.enter_context(av.open(self.media.name))
            made = opened.enter_context(av.open(str(path), 'w'))
            pictures = given.streams.video[0]
            pictures.thread_type = 'AUTO'
            sound = given.streams.audio[0] if given.streams.audio else None
            copied = sound is not None and self.media.sound_name == self.media.name and sound.codec.name in made.supported_codecs
            stream = made.add_stream('libx264', rate=pictures.average_rate or Fraction(25))
            stream.height, stream.width = (side // 2 * 2 for side in self.media.size)  # yuv420p has even sides
            # The encoder's clock, not the stream's: by default it ticks once per average picture, too coarse for uneven times.
            stream.pix_fmt, stream.codec_context.time_base = 'yuv420p', pictures.time_base
            copy = made.add_stream_from_template(sound) if copied else None
            again = None
            if not copied and self.media.sound_duration:
                other = None if self.media.sound_name == self.media.name else self.media.sound_name
                again = opened.enter_context(closing(VideoMedia(self.media.name, other)))
            track = first = None
            heard = 0.
            for packet in given.demux([s for s in (pictures, sound if copied else None) if s is not None]):
                if packet.stream is sound:
                    if packet.dts is not None:
                        packet.stream = copy
                        made.mux(packet)
                    continue
                for frame in packet.decode():
                    if first is None:
                        first = frame.time
                        if again is not None:
                            track = SoundTrack(made, sample_rate=again.sample_rate, channels=len(again.sound(0., 0.1)), delay=first)
                    while after is not None and after.time <= frame.time - first:
                        before, after = after, next(predictions, None)
                    near = _nearest(before, after, frame.time - first)
                    drawn = self.painter.overlay(upright(frame, self.media.name), near.labels)
                    new = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn[:stream.height, :stream.width]), format='rgb24')
                    new.pts, new.time_base = frame.pts, frame.time_base
                    made.mux(stream.encode(new))
                    if track is not None:
                        track.write(again.sound(heard, frame.time - first))
                        heard = frame.time - first
            made.mux(stream.encode())
            if track is not None:
                track.write(again.sound(heard, self.media.sound_duration))
                track.close()

    def _video_of_predictions(self, predictions: Iterator, path: Path) -> None:
        """One picture per prediction at ``fps``, with the sound of the input."""
        again = open_media(self.source) if isinstance(self.source, dict) else self.media
        pictures = (self.painter.overlay(frame, prediction.labels)
                    for prediction in predictions for frame in again.frames([prediction.time]))
        write_video(path, pictures, frame_rate=self.fps, waveform=self._pieces(again), sample_rate=self.media.sample_rate)

    @staticmethod
    def _pieces(media: Media) -> Iterator[np.ndarray] | None:
        """The sound second by second, or None without any."""
        if not media.sound_duration:
            return None
        ends = [*range(1, math.ceil(media.sound_duration)), media.sound_duration]
        return (media.sound(start, end) for start, end in itertools.pairwise([0, *ends]))


def _nearest(before, after, time: float):
    if before is None or after is None:
        return before or after
    return before if time - before.time <= after.time - time else after
