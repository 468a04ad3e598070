"""What a clip's picture shows, read from its pixels."""
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from mmicf.structures import AVDataSample
from mmicf.visualization import AVSLocalVisualizer
from mmicf.visualization.sound_strip import draw_log_mel, draw_waveform, mark_seconds

BINARY = dict(classes=('background', 'sounding'), palette=[[0, 0, 0], [255, 255, 255]])
SEMANTIC = dict(classes=('background', 'dog', 'man', 'piano'), palette=[[0, 0, 0], [200, 0, 0], [0, 0, 200], [0, 200, 0]])


def clip(frames=3, gt=None, pred=None, missing=()):
    sample = AVDataSample(metainfo=dict(clip_id='clip', subset='ms3', num_frames=frames, sample_idx=0))
    items = []
    for t in range(frames):
        item = SegDataSample(metainfo=dict(clip_id='clip', frame_idx=t, has_gt=gt is not None and t not in missing))
        if item.has_gt:
            item.gt_sem_seg = PixelData(data=torch.from_numpy(gt)[None])
        if pred is not None:
            item.pred_sem_seg = PixelData(data=torch.from_numpy(pred)[None])
        items.append(item)
    sample.frames = items
    return sample


def grey_frames(count=3, size=(60, 80)):
    return [np.full((*size, 3), 128, np.uint8) for _ in range(count)]


def make(meta=BINARY, **kwargs):
    visualizer = AVSLocalVisualizer(**kwargs)
    visualizer.dataset_meta = meta
    return visualizer


def square():
    labels = np.zeros((30, 40), np.int64)
    labels[10:20, 10:30] = 1
    return labels


def test_overlay_colours_the_mask_and_leaves_the_rest():
    out = make(SEMANTIC, alpha=0.5).overlay(grey_frames(1)[0], square())
    assert out[30, 40].tolist() == [164, 64, 64]  # half grey, half the palette's (200, 0, 0)
    assert out[5, 5].tolist() == [128, 128, 128]
    assert [255, 255, 255] in out[20, :, :].tolist()  # outline; the mask's upper edge is at twice row 10


def test_overlay_does_not_touch_its_input():
    frame = grey_frames(1)[0]
    make().overlay(frame, square())
    assert (frame == 128).all()


def test_ignored_pixels_are_grey_without_outline():
    labels = np.full((30, 40), 255)
    out = make(alpha=1.0).overlay(np.zeros((30, 40, 3), np.uint8), labels)
    assert (out == 160).all()


def test_rows_follow_what_the_clip_holds():
    visualizer, frames = make(), grey_frames()
    plain = visualizer.draw_clip(frames, clip())
    gt = visualizer.draw_clip(frames, clip(gt=square()))
    both = visualizer.draw_clip(frames, clip(gt=square(), pred=square()))
    row = both.shape[0] - gt.shape[0]
    assert plain.shape == gt.shape and row > 150
    assert both.shape[1] == gt.shape[1]
    green = (np.abs(both.astype(int) - [76, 178, 102]).max(-1) < 4).any(1)  # grey under 0.4 of the sounding colour
    assert green.any() and not (np.abs(plain.astype(int) - [76, 178, 102]).max(-1) < 4).any()


def test_prediction_and_truth_are_in_their_rows():
    """A prediction at another place changes the lower row only."""
    moved = np.roll(square(), 8, axis=1)
    a, b = (make().draw_clip(grey_frames(), clip(gt=square(), pred=pred)) for pred in (square(), moved))
    changed = np.flatnonzero((a != b).any((1, 2)))
    assert changed.min() > a.shape[0] / 2


def test_strip_is_added_by_either_sound():
    visualizer, sample, frames = make(), clip(gt=square()), grey_frames()
    without = visualizer.draw_clip(frames, sample).shape[0]
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 0.1, (2, 3 * 16000)).astype(np.float32)
    assert visualizer.draw_clip(frames, sample, wave, 16000).shape[0] > without + 100
    assert visualizer.draw_clip(frames, sample, log_mel=rng.normal(size=(3, 1, 96, 64))).shape[0] > without + 100


def test_waveform_strip_puts_tone_at_its_time_and_frequency():
    rate = 16000
    t = np.arange(4 * rate) / rate
    tone = np.where((t >= 2) & (t < 3), np.sin(2 * np.pi * 3000 * t), 0)
    for channels in (tone, np.stack([tone, -tone])):  # opposite phases would cancel in a mean of samples
        axes = Figure().add_subplot()
        draw_waveform(axes, channels, rate)
        image = axes.images[0]
        left, right, bottom, top = image.get_extent()
        data = np.asarray(image.get_array())
        row, column = np.unravel_index(data.argmax(), data.shape)
        assert 2 <= left + (column + 0.5) / data.shape[1] * (right - left) <= 3
        assert bottom + (row + 0.5) / data.shape[0] * (top - bottom) == pytest.approx(3, abs=0.1)


def test_silence_is_drawn():
    axes = Figure().add_subplot()
    draw_waveform(axes, np.zeros(16000), 16000)
    low, high = axes.images[0].get_clim()
    assert low < high


def test_too_short_a_sound_is_refused():
    with pytest.raises(ValueError, match='found 10 samples at 16000 Hz'):
        draw_waveform(Figure().add_subplot(), np.zeros(10), 16000)


def test_seconds_are_marked_over_the_clip():
    axes = Figure().add_subplot()
    draw_log_mel(axes, np.zeros((5, 1, 96, 64)))
    mark_seconds(axes, 5.0)
    assert axes.images[0].get_extent()[:2] == pytest.approx([0, 4.8])  # five examples of 0.96 s
    assert axes.get_xlim() == (0, 5)
    assert [line.get_xdata()[0] for line in axes.lines] == [0, 1, 2, 3, 4, 5]
    assert [label.get_text() for label in axes.get_xticklabels()][:2] == ['t = 0 s', 't = 1 s']


def test_legend_names_the_classes_and_who_has_them():
    gt, pred = square(), 2 * square()
    gt[0], pred[25:] = 255, 3
    gt[25:] = 3
    labels = [patch.get_label() for patch in make(SEMANTIC)._legend(clip(gt=gt, pred=pred))]
    assert labels == ['dog (ground truth only)', 'man (prediction only)', 'piano', 'ignored']


def test_add_clip_writes_what_it_draws(tmp_path):
    path = tmp_path / 'new' / 'clip.png'
    sample = clip(gt=square())
    make().add_clip('clip', grey_frames(), sample, out_file=str(path))
    assert np.array_equal(np.asarray(Image.open(path)), make().draw_clip(grey_frames(), sample))


def test_add_clip_hands_over_to_the_backends(tmp_path):
    visualizer = make(vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path))
    visualizer.add_clip('clip', grey_frames(), clip(gt=square()), step=7)
    assert [p.name for p in tmp_path.rglob('*.png')] == ['clip_7.png']


def test_drawing_leaves_pyplot_alone():
    import matplotlib.pyplot as plt
    before = plt.get_fignums()
    make().draw_clip(grey_frames(), clip(gt=square()))
    assert plt.get_fignums() == before


@pytest.mark.parametrize('frames', [1, 10])
def test_short_and_long_clips(frames):
    wave = np.random.default_rng(0).normal(0, 0.1, 16000 * 3)
    image = make().draw_clip(grey_frames(frames), clip(frames, gt=square(), missing=(frames - 1,) * (frames > 1)), wave)
    assert image.dtype == np.uint8 and image.shape[1] > 480


def test_wrong_number_of_pictures_and_missing_meta_are_named():
    with pytest.raises(ValueError, match='found 2 pictures, expected 3'):
        make().draw_clip(grey_frames(2), clip())
    with pytest.raises(ValueError, match='classes and palette'):
        AVSLocalVisualizer().draw_clip(grey_frames(), clip())
