"""Class names of MS3 out of AVSS's table."""
import json

import pytest

from mmicf.analysis.clip_categories import categories_file, ms3_classes

HEADER = 'vid,uid,s_min,s_sec,a_obj,split,label\n'


def test_videos_of_ms3_are_the_rows_of_v1m(tmp_path):
    path = tmp_path / 'metadata.csv'
    path.write_text(HEADER + 'a,a_0_5000,0,0,dog,test,v1s\nb_1,b_1,0,0,man_emergency-car,test,v1m\nc,c,0,0,background,val,v1m\n'
                    'd,d_0_10000,0,0,off-the-screen,train,v2\n')
    assert ms3_classes(path) == {'b_1': ['emergency-car', 'man'], 'c': []}
    made = categories_file(str(path), tmp_path / 'out')
    assert made == str(tmp_path / 'out/categories.json')
    with open(made) as file:
        assert json.load(file) == ms3_classes(path)
    assert categories_file('names.json', tmp_path) == 'names.json' and categories_file(None, tmp_path) is None
    path.write_text(HEADER + 'a,a_0_5000,0,0,dog,test,v1s\n')
    with pytest.raises(ValueError, match=r"metadata\.csv: no row has label in \['v1m'\]; found the values \['v1s'\]"):
        ms3_classes(path)
