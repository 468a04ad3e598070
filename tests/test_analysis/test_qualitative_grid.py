"""What stands in a grid's cells."""
import numpy as np
import pytest

from mmicf.analysis.qualitative_grid import GridRow, Sound, draw_grid
from mmicf.evaluation.functional import binary_iou

BINARY = dict(classes=('background', 'sounding'), palette=[[0, 0, 0], [255, 255, 255]])
SEMANTIC = dict(classes=('background', 'dog', 'man', 'piano'), palette=[[0, 0, 0], [200, 0, 0], [0, 0, 200], [0, 200, 0]])


def row(truth, masks, sound, span=(0., 1.), second=None):
    return GridRow('frame 0', np.full((40, 60, 3), 90, np.uint8), truth, masks, sound, span, second)


def half(value=1):
    mask = np.zeros((20, 30), np.uint8)
    mask[:, :15] = value
    return mask


@pytest.fixture
def wave():
    return Sound(np.sin(np.arange(5 * 8000) / 3)[None].astype(np.float32), 8000)


def test_cells_columns_and_scores(wave):
    other = np.zeros((40, 60), np.uint8)
    other[:, :45] = 1
    rows = [row(half(), [other, None], wave, (0, 1)), row(None, [half(), half()], wave, (1, 2)),
            row(0 * half(), [half(), None], wave, (2, 3))]
    figure = draw_grid('clip', ['a', 'b'], rows, BINARY)
    cells = np.array(figure.axes).reshape(3, 5)
    assert [axes.get_title() for axes in cells[0]] == ['sound', 'frame', 'ground truth', 'a', 'b']
    expected = binary_iou(other[::2, ::2] == 1, half() == 1)
    assert cells[0, 3].get_xlabel() == f'IoU {100 * expected:.1f} %' and expected == pytest.approx(15 / 23)
    assert [text.get_text() for text in cells[0, 4].texts] == ['none'] and not cells[0, 4].get_xlabel()
    assert [text.get_text() for text in cells[1, 2].texts] == ['none'] and not cells[1, 3].get_xlabel()
    assert cells[0, 0].get_xlim() == (0, 1) and cells[1, 0].get_xlim() == (1, 2)
    assert cells[2, 3].get_xlabel() == '50.0 % marked'
    plain, truth = (cells[0, k].images[0].get_array() for k in (1, 2))
    changed = (plain != truth).any(-1)
    assert changed[:, :150].all() and not changed[:, 180:].any()


def test_classes_in_view_and_log_mel():
    log_mel = Sound(log_mel=np.random.default_rng(0).normal(size=(5, 1, 96, 64)))
    figure = draw_grid('clips', ['a'], [row(half(1), [half(3)], log_mel, (0, 5), (2, 3))], SEMANTIC)
    assert [text.get_text() for text in figure.legends[0].texts] == ['dog', 'piano']
    axes = figure.axes[0]
    assert axes.get_xlim() == (0, 5) and [line.get_xdata()[0] for line in axes.lines] == [2, 3]
