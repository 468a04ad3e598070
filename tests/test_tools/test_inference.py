"""What tools/inference.py refuses before it loads anything; test_clips_to_mp4.py runs it."""
import runpy
import sys
from pathlib import Path

import pytest

TOOL = str(Path(__file__).parents[2] / 'tools/inference.py')


def test_videos_of_one_name_are_refused(monkeypatch):
    monkeypatch.setattr(sys, 'argv', [TOOL, 'a/clip.mp4', 'b/clip.mp4', '--model', 'none', '--weights', 'none.pth'])
    with pytest.raises(ValueError, match=r"a/clip\.mp4 and b/clip\.mp4: results of both would lie in the folder 'clip'"):
        runpy.run_path(TOOL, run_name='__main__')
