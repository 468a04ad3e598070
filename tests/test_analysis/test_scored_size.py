"""One size for all models of a table."""
import pytest

from mmicf.analysis.compared_models import ComparedModel
from mmicf.analysis.scored_size import pipeline_size, saved_masks_size, size_text

LOAD, RESIZE = dict(type='LoadMasks'), dict(type='mmicf.ClipResize', size=(2, 3))
CROP = dict(type='ClipCenterCrop', size=(2, 2))


def test_size_of_a_test_pipeline():
    assert pipeline_size([LOAD, RESIZE]) == (2, 3) and pipeline_size([RESIZE, LOAD]) is None
    for behind in ([RESIZE, CROP], [dict(type='ClipResize', short_side=2)]):
        with pytest.raises(ValueError, match='expected one ClipResize'):
            pipeline_size([LOAD, *behind])


@pytest.fixture
def model(tmp_path):
    def make(name, *steps):
        path = tmp_path / f'{name}.py'
        path.write_text(f'test_dataloader = dict(dataset=dict(pipeline={[dict(step) for step in steps]}))')
        return ComparedModel(name, config=str(path), checkpoint='x.pth')
    return make


def test_saved_masks_follow_the_models_that_are_run(model):
    saved, small, own = ComparedModel('saved', folder='masks'), model('small', LOAD, RESIZE), model('own', RESIZE, LOAD)
    crops = model('crops', LOAD, CROP)
    assert saved_masks_size([saved]) is None and saved_masks_size([saved, own]) is None
    assert saved_masks_size([saved, small, small._replace(name='other')]) == (2, 3)
    assert saved_masks_size([small, own, crops]) is None  # no saved masks to bring to a size
    with pytest.raises(ValueError, match='small at 2x3 pixels, own at the size of the ground truth'):
        saved_masks_size([small, saved, own])
    with pytest.raises(ValueError, match='expected one ClipResize'):
        saved_masks_size([saved, crops])
    assert size_text((2, 3)) == '2x3 pixels'
