"""Colours, outlines and rows of a grid of maps."""
import matplotlib
import numpy as np
import pytest

from mmicf.analysis.map_grid import MapRow, draw_map_grid, map_over

BINARY = dict(classes=('background', 'sounding'), palette=[[0, 0, 0], [255, 255, 255]])


def test_colours_and_outline():
    frame, values = np.full((20, 30, 3), 100, np.uint8), np.zeros((20, 30))
    values[:, 15:] = 3  # above the top
    outline = np.zeros((20, 30), bool)
    outline[5:10, 5:10] = True
    out = map_over(frame, values, outline, 2.)
    for place, share in (((0, 0), 0.), ((0, 29), 1.)):
        expected = 0.7 * 255 * np.array(matplotlib.colormaps['inferno'](share)[:3]) + 0.3 * 100
        assert out[place].tolist() == expected.round().tolist()
    assert out[5, 7].tolist() == [0, 255, 64] and out[15, 7].tolist() != [0, 255, 64]
    assert frame.max() == 100  # the frame itself stays


def test_rows_and_shared_scales():
    frames, masks = [np.full((20, 40, 3), 90, np.uint8)] * 3, np.zeros((3, 20, 40), bool)
    rows = [MapRow('a', np.full((3, 2, 4), 1.), masks, 'x'), MapRow('b', np.full((3, 5, 5), 4.), masks, 'x'),
            MapRow('c', np.full((3, 5, 5), 9.), masks, 'y')]
    figure = draw_map_grid('clip', frames, [masks[0], None, masks[0]], rows, BINARY)
    strips = [axes for axes in figure.axes if axes.get_ylabel() != '× mean']
    assert [axes.get_ylabel() for axes in strips] == ['ground truth', 'a', 'b', 'c']
    assert strips[0].images[0].get_array().shape == (120, 3 * 240 + 2 * 10, 3)
    tops = [axes.get_ylim()[1] for axes in figure.axes if axes.get_ylabel() == '× mean']
    assert tops == pytest.approx([4, 4, 9])
    assert [text.get_text() for text in strips[0].texts] == ['frame 0', 'frame 1', 'frame 2']
