"""Synthetic audio-visual scenes: several objects in view, a changing subset of them sounds.

Looks and sounds come from independent random streams, so no picture betrays who sounds: vision alone is at chance, and
the gap between true and shuffled sound measures what a model owes to hearing.
"""
from typing import NamedTuple

import cv2
import numpy as np

NUM_KINDS = 6  # synthetic classes; each has its own shape, hue and timbre
HUES = (2, 24, 50, 88, 118, 150)  # OpenCV's 0..179
SOUND_PRIOR = 0.55  # probability that an object in view sounds at a frame
KEEP_STATE = 0.5  # probability that an object keeps its state for the next frame


class Scene(NamedTuple):
    """What a clip shows and who sounds.

    Attributes:
        frames: uint8 RGB (T, H, W, 3).
        instances: uint8 (T, H, W): 0 for background, k + 1 for the visible part of object k.
        kinds: int (K,), synthetic class of each object.
        sounding: bool (T, K).
        offscreen_kinds: int (M,), classes that are heard but not in view.
        offscreen: bool (T, M).
        prior: probability with which each object sounds, known to the best sound-blind guess; for ``exclusive`` scenes
            exactly one object sounds all the time.
        exclusive: see ``prior``.
    """
    frames: np.ndarray
    instances: np.ndarray
    kinds: np.ndarray
    sounding: np.ndarray
    offscreen_kinds: np.ndarray
    offscreen: np.ndarray
    prior: float
    exclusive: bool


def clip_streams(seed: int, *key: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Independent random streams (looks, sounds) of the clip that ``key`` names."""
    return tuple(np.random.default_rng(s) for s in np.random.SeedSequence((seed, *key)).spawn(2))


def draw_kinds(looks: np.random.Generator, num_objects: int, twins: bool = False) -> np.ndarray:
    """Distinct classes of the objects; with ``twins`` the first two are of one class."""
    kinds = looks.permutation(NUM_KINDS)[:num_objects]
    if twins:
        kinds[1] = kinds[0]
    return kinds


def draw_states(sounds: np.random.Generator, num_frames: int, num_sources: int, exclusive: bool = False) -> np.ndarray:
    """Bool (T, K): who sounds when; independent Markov chains, or one source for the whole clip if ``exclusive``."""
    if exclusive:
        states = np.zeros((num_frames, num_sources), bool)
        states[:, sounds.integers(num_sources)] = True
        return states
    fresh = sounds.random((num_frames, num_sources)) < SOUND_PRIOR
    keep = sounds.random((num_frames, num_sources)) < KEEP_STATE
    for t in range(1, num_frames):
        fresh[t] = np.where(keep[t], fresh[t - 1], fresh[t])
    return fresh


def draw_scene(looks: np.random.Generator, sounds: np.random.Generator, *, num_frames: int, height: int, width: int,
               num_objects: int = 3, exclusive: bool = False, twins: bool = False) -> Scene:
    """Draws and renders one clip; with ``twins`` objects 0 (left) and 1 (right) are of one class."""
    kinds = draw_kinds(looks, num_objects, twins)
    frames, instances = render(looks, kinds, num_frames, height, width, shuffle_slots=not twins)
    sounding = draw_states(sounds, num_frames, num_objects, exclusive)
    absent = np.setdiff1d(np.arange(NUM_KINDS), kinds)
    heard = sounds.permutation(absent)[:int(not exclusive and sounds.random() < 0.3)]
    offscreen = draw_states(sounds, num_frames, len(heard))
    return Scene(frames, instances, kinds, sounding, heard, offscreen, SOUND_PRIOR, exclusive)


def render(looks: np.random.Generator, kinds: np.ndarray, num_frames: int, height: int, width: int,
           shuffle_slots: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, H, W, 3) and visible instances (T, H, W) of objects that drift and turn over a textured background."""
    count, side = len(kinds), min(height, width)
    slots = (np.arange(count) + 0.5) / count
    x = (looks.permutation(slots) if shuffle_slots else slots) + looks.uniform(-0.06, 0.06, count)
    y = looks.uniform(0.28, 0.72, count)
    speed = looks.uniform(-0.025, 0.025, (count, 2))
    radius, angle = looks.uniform(0.13, 0.18, count) * side, looks.uniform(0, 2 * np.pi, count)
    turn, order = looks.uniform(-0.3, 0.3, count), looks.permutation(count)
    colours = [_colour(looks, HUES[kind]) for kind in kinds]
    background = _background(looks, height, width)
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    instances = np.zeros((num_frames, height, width), np.uint8)
    for t in range(num_frames):
        image = background.copy()
        for k in order:
            outline = _outline(int(kinds[k])) @ _rotation(angle[k] + t * turn[k]).T * radius[k]
            centre = np.array([(x[k] + t * speed[k, 0]) * width, (y[k] + t * speed[k, 1]) * height])
            mask = np.zeros((height, width), np.uint8)
            cv2.fillPoly(mask, [np.round(outline + centre).astype(np.int32)], 1)
            inside = mask.astype(bool)
            instances[t][inside] = k + 1
            image[inside] = _stripes(height, width, centre, int(kinds[k]))[inside, None] * colours[k]
        noise = looks.normal(0, 3, image.shape)
        frames[t] = np.clip(image + noise, 0, 255).astype(np.uint8)
    return frames, instances


def _outline(kind: int) -> np.ndarray:
    """Outline (P, 2) of a class's shape with unit radius: disc, square, triangle, star, cross, flower."""
    theta = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    if kind == 0:
        r = np.ones_like(theta)
    elif kind in (1, 2):
        corners, scale = (4, 1.05) if kind == 1 else (3, 1.25)
        r = np.cos(np.pi / corners) / np.cos(theta % (2 * np.pi / corners) - np.pi / corners) * scale
    elif kind == 3:
        r = 0.85 + 0.35 * np.abs((theta * 5 / np.pi) % 2 - 1) * 2 - 0.35
    elif kind == 4:
        return np.array([(-.4, -1.1), (.4, -1.1), (.4, -.4), (1.1, -.4), (1.1, .4), (.4, .4), (.4, 1.1), (-.4, 1.1),
                         (-.4, .4), (-1.1, .4), (-1.1, -.4), (-.4, -.4)])
    else:
        r = 0.95 + 0.2 * np.cos(6 * theta)
    return np.stack([r * np.cos(theta), r * np.sin(theta)], -1)


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _colour(looks: np.random.Generator, hue: int) -> np.ndarray:
    """Float RGB (3,) near a hue, with its own saturation and brightness."""
    hsv = [(hue + looks.integers(-5, 6)) % 180, looks.integers(190, 256), looks.integers(190, 256)]
    return cv2.cvtColor(np.array([[hsv]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0].astype(float)


def _stripes(height: int, width: int, centre: np.ndarray, kind: int) -> np.ndarray:
    """Brightness (H, W) of a class's texture, moving with its centre: every class has its own stripe direction."""
    y, x = np.mgrid[:height, :width]
    phase = (x - centre[0]) * np.cos(kind) + (y - centre[1]) * np.sin(kind)
    return 0.85 + 0.15 * np.sin(2 * np.pi * phase / (0.05 * min(height, width)))


def _background(looks: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Float RGB (H, W, 3): blurred noise in dull colours."""
    coarse = looks.uniform(60, 150, (6, 8, 1)) + looks.uniform(-25, 25, (6, 8, 3))
    fine = looks.uniform(-20, 20, (height // 4, width // 4, 1)).repeat(3, 2)
    resize = [cv2.resize(a, (width, height), interpolation=cv2.INTER_CUBIC) for a in (coarse, fine)]
    return resize[0] + resize[1]
