"""The type of a config's part, however it is written."""
import pytest

from mmicf.evaluation import AVSBenchMetric
from mmicf.utils.type_name import type_name


@pytest.mark.parametrize('written', ['AVSBenchMetric', 'mmicf.AVSBenchMetric', 'mmicf.evaluation.metrics.AVSBenchMetric',
                                     AVSBenchMetric])
def test_scope_and_module_are_left_out(written):
    assert type_name(dict(type=written, task='binary')) == 'AVSBenchMetric'


def test_a_part_without_a_type_has_an_empty_name():
    assert type_name({}) == type_name(dict(type=None)) == ''
