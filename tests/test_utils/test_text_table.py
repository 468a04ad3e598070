"""Tables of plain text."""
from mmicf.utils.text_table import table


def test_names_are_flush_left_and_numbers_flush_right():
    rows = [('long name', 1.5, 10), ('b', 12.25, 2)]
    lines = table(('name', 'value', 'n'), rows).splitlines()
    assert lines[1:2] + lines[3:5] == ['| name      | value |  n |', '| long name |   1.5 | 10 |', '| b         | 12.25 |  2 |']
    assert '| b         | 12.25 | 2  |' in table(['name', 'value', 'n'], rows, align='l')
