"""Loading a clip's pictures and masks."""
from collections.abc import Callable
from functools import cache

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageOps

from mmicf.registry import TRANSFORMS
from mmicf.utils.class_names import avss_palette
from mmicf.utils.log_once import log_once

IGNORE = 255
# PIL would try dozens of other formats, whatever the file is called; one of them (EPS) starts a program.
FORMATS = ('PNG', 'JPEG', 'BMP')


@TRANSFORMS.register_module()
class LoadFrames(BaseTransform):
    """Read the T pictures of a clip (PNG, JPEG; any PIL mode becomes RGB; EXIF rotation is not applied, as masks have
    none).

    ``frame_paths`` → ``frames`` list of T uint8 RGB (H, W, 3), ``ori_shape`` and ``img_shape`` (H, W).

    Raises:
        FileNotFoundError: a picture is missing.
        ValueError: a picture cannot be decoded or has another size than the clip's first, or their number is not
        ``num_frames``.
    """

    def transform(self, results: dict) -> dict:
        paths = results['frame_paths']
        if len(paths) != results['num_frames']:
            raise ValueError(f'clip {results["clip_id"]}: found {len(paths)} frame paths, '
                             f'expected {results["num_frames"]}')
        frames = [read_rgb(path) for path in paths]
        shape = frames[0].shape[:2]
        for path, frame in zip(paths, frames, strict=True):
            if frame.shape[:2] != shape:
                raise ValueError(f'{path}: found {_size(frame)}, expected {_size(frames[0])} like the first frame '
                                 f'{paths[0]}')
        results['frames'] = frames
        results['ori_shape'] = results['img_shape'] = shape
        return results


@TRANSFORMS.register_module()
class LoadMasks(BaseTransform):
    """Read the masks of the frames that have ground truth.

    ``mask_paths``, ``has_gt``, ``mask_mode`` → ``masks``, a list of T uint8 (H, W) class ids with 255 = ignore, or
    None. By mode:

    - ``binary``: 1 where the stored value is not 0; PIL modes 1, L, P (the index counts), RGB and RGBA (any of the
      three colours counts). There is no ignore value: S4 and MS3 store 0 and 255.
    - ``index``: the stored class id (modes 1, L, P, I).
    - ``palette``: RGB colours of the VOC bit palette (``avss_palette``).
    - ``coco``: the stored id looked up in ``mask_lut``.

    Masks have the size of the stored picture. Load them before the geometric transforms to move with it, or behind a
    ``ClipResize`` to evaluate at the original size.

    Raises:
        FileNotFoundError: a mask is missing.
        ValueError: a mask cannot be decoded, has a mode that its kind never has, another size than the stored picture,
            a value outside 0..num_classes-1 and 255, or a colour outside the palette; the message names the file.
    """

    def transform(self, results: dict) -> dict:
        if 'ori_shape' not in results:
            raise ValueError(f'clip {results["clip_id"]}: LoadMasks must come after LoadFrames')
        results['masks'] = [self.load(path, results) if labelled else None
                            for path, labelled in zip(results['mask_paths'], results['has_gt'], strict=True)]
        return results

    @staticmethod
    def load(path: str, results: dict) -> np.ndarray:
        """uint8 (H, W) class ids of one mask; of the frames' size where ``results`` has their ``ori_shape``."""
        shape = results.get('ori_shape')
        try:
            return load_mask(path, results['mask_mode'], results['num_classes'], results['mask_lut'], shape)
        except _WrongSize as error:
            raise ValueError(f'{error} like the frames of clip {results["clip_id"]}') from None


class _WrongSize(ValueError):
    """A mask of another size than expected."""


def load_mask(path: str, mode: str, num_classes: int, lut: np.ndarray | None = None,
              shape: tuple[int, int] | None = None) -> np.ndarray:
    """uint8 (H, W) class ids of one mask file, read as :class:`LoadMasks` says.

    Args:
        path: the file.
        mode: 'binary', 'index', 'palette' or 'coco'.
        num_classes: ids allowed are below it, and 255.
        lut: of 'coco'.
        shape: (H, W) that the mask must have.

    Raises:
        FileNotFoundError, ValueError: see :class:`LoadMasks`.
    """
    image = open_picture(path)
    if shape is not None and (image.height, image.width) != tuple(shape):
        raise _WrongSize(f'{path}: found a mask of {image.height}x{image.width}, expected {shape[0]}x{shape[1]}')
    if mode == 'binary':
        return _binary(image, path)
    if mode == 'palette':
        return _from_colours(image, path, num_classes)
    raw = _indices(image, path)
    if mode == 'coco':
        mask = lut[np.clip(raw, 0, IGNORE)]
    elif mode == 'index':
        mask = raw
    else:
        raise ValueError(f"{path}: mask_mode must be 'binary', 'index', 'palette' or 'coco', got {mode!r}")
    wrong = ((mask >= num_classes) & (mask != IGNORE)) | (raw < 0) | (raw > IGNORE)
    if wrong.any():
        expected = f'0..{num_classes - 1} or 255'
        if mode == 'coco':
            expected = f'{np.flatnonzero(lut < num_classes).tolist()} or 255'
        values = np.unique(raw[wrong])[:10].tolist()
        raise ValueError(f'{path}: found the values {values} in {int(wrong.sum())} pixels, expected {expected}')
    return mask.astype(np.uint8)


def read_rgb(path: str, *, upright: bool = False) -> np.ndarray:
    """uint8 (H, W, 3) of a picture file, FileNotFoundError or ValueError naming it otherwise.

    ``upright`` turns it as its EXIF orientation says (phones store photos on their side); pictures with masks stay as stored, and
    so do those with broken EXIF.
    """
    image = open_picture(path)
    if upright:
        _turn(image, path)
    if image.mode[0] in 'IF':  # PIL would cut off what is above 255
        raise ValueError(f'{path}: found a picture of more than 8 bits per channel (PIL mode {image.mode}), expected 8')
    return np.array(_decode(image.convert, path, 'RGB'))


def _turn(image: Image.Image, path: str) -> None:
    """Turns a decoded picture in place; a tag that only comes after the orientation may be broken."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # PIL raises nearly any exception type for broken EXIF, which viewers pass over
        log_once('broken exif', f'{path}: EXIF cannot be read in full ({type(error).__name__}: {error}); the picture may lie on '
                 'its side (further ones not logged)')


def open_picture(path: str) -> Image.Image:
    """A picture file, decoded; raises as :func:`read_rgb`."""
    try:
        image = Image.open(path, formats=FORMATS)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such picture') from None
    except Exception as error:  # no picture, none of these formats, too large for PIL, no file name, a folder, ...
        raise ValueError(f'{path}: found no readable picture ({error}), expected PNG or JPEG') from error
    _decode(image.load, path)
    return image


def _decode(call: Callable, path: str, *args: str) -> Image.Image | None:
    try:
        return call(*args)
    except Exception as error:  # PIL raises nearly any exception type for a broken picture
        raise ValueError(f'{path}: the picture cannot be decoded, is it cut off? ({type(error).__name__}: {error})') from error


def _binary(image: Image.Image, path: str) -> np.ndarray:
    if image.mode in ('1', 'L', 'P'):
        return (np.asarray(image) > 0).astype(np.uint8)
    if image.mode in ('RGB', 'RGBA'):
        return (np.asarray(image)[..., :3] > 0).any(axis=-1).astype(np.uint8)
    raise ValueError(f'{path}: found a picture of PIL mode {image.mode}, expected 1, L, P, RGB or RGBA for a binary '
                     'mask')


def _indices(image: Image.Image, path: str) -> np.ndarray:
    if image.mode not in ('1', 'L', 'P', 'I', 'I;16'):
        raise ValueError(f'{path}: found a picture of PIL mode {image.mode}, expected one channel of class ids '
                         '(1, L, P, I)')
    return np.asarray(image).astype(np.int64)


def _from_colours(image: Image.Image, path: str, num_classes: int) -> np.ndarray:
    rgb = np.asarray(_decode(image.convert, path, 'RGB'))
    colours = rgb[..., 0].astype(np.int32) << 16 | rgb[..., 1].astype(np.int32) << 8 | rgb[..., 2]
    mask = _colour_table(num_classes).take(colours)
    wrong = mask == IGNORE
    if wrong.any():
        values, counts = np.unique(colours[wrong], return_counts=True)
        shown = ', '.join(f'({v >> 16}, {v >> 8 & 255}, {v & 255}) in {n} pixels'
                          for v, n in zip(values[:5], counts[:5], strict=True))
        raise ValueError(f'{path}: found {len(values)} colours that the palette of {num_classes} classes does not '
                         f'hold: {shown}; expected the colours of avss_palette()')
    return mask


@cache
def _colour_table(num_classes: int) -> np.ndarray:
    """uint8 (2^24,): RGB as one number to class id, 255 for other colours; 16 MB, three times as fast as a search."""
    table = np.full(1 << 24, IGNORE, dtype=np.uint8)
    table[avss_palette()[:num_classes].astype(np.int64) @ (1 << 16, 1 << 8, 1)] = np.arange(num_classes)
    return table


def _size(frame: np.ndarray) -> str:
    return f'{frame.shape[0]}x{frame.shape[1]}'
