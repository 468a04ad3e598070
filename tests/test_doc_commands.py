"""Commands on the pages: each is marked with the test that runs it or with what it needs, and fits the tools that exist.

A mark stands in an HTML comment above the block or in a comment line of the block, and holds for what follows:
``run by PATH`` (a test file, ``PATH::function``, or one of :data:`RUNNERS`), or ``needs: `` and some of :data:`NEEDS`.
"""
import contextlib
import functools
import inspect
import io
import json
import re
import runpy
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from mmengine.runner import Runner
from test_doc_links import PAGES, ROOT, expand, prose

NEEDS = {'data', 'weights', 'checkpoint', 'clip', 'GPU', 'slurm', 'network', 'time'}
RUNNERS = ('.ci/run', 'tools/setup_env.sh')  # the first runs the second
# Launchers: the tool they start, and how many of their arguments come before the tool's (config and checkpoint stay).
LAUNCHERS = {'quickstart.sh': ('quickstart.py', slice(0, 0)), 'dist_train.sh': ('train.py', slice(1, 2)),
             'dist_test.sh': ('test.py', slice(2, 3)), 'slurm_train.sh': ('train.py', slice(0, 2)),
             'slurm_test.sh': ('test.py', slice(0, 2))}
BLOCK = re.compile(r'(?:^<!-- (?P<mark>[^\n]*?) -->\n\s*)?^```(?P<language>\w*)\n(?P<body>.*?)^```', re.M | re.S)
INLINE = re.compile(r'`((?:\.venv/bin/)?(?:python|bash) tools/[^`]+)`')


class Command(NamedTuple):
    page: Path
    words: list[str]
    mark: str | None


def block_commands(page):
    """The commands of a page's bash blocks with their marks."""
    for block in BLOCK.finditer(page.read_text(encoding='utf-8')):
        if block['language'] != 'bash':
            continue
        mark = block['mark']
        for line in re.sub(r'\\\n\s*', '', block['body']).splitlines():
            if re.match(r'\s*# (needs: |run by )', line):
                mark = line.strip('# ')
            for part in line.split('&&'):
                words = shlex.split(part, comments=True)
                if words:
                    yield Command(page, words, mark)


def inline_commands(page):
    """Commands of our tools inside the text; optional parts lose their brackets."""
    for text in INLINE.findall(prose(page)):
        text = re.sub(r'\[(--[^\]]*)\]', r'\1', ' '.join(text.split()))
        yield Command(page, shlex.split(text), None)


COMMANDS = [command for page in PAGES for command in block_commands(page)]
INLINE_COMMANDS = [command for page in PAGES for command in inline_commands(page)]


def name(command):
    return f'{command.page.relative_to(ROOT)}:{" ".join(command.words)[:90]}'


def tool_of(words):
    """Index of the word that names one of our tools, or None."""
    return next((i for i, word in enumerate(words[:6]) if word.removeprefix('./').startswith(('tools/', '.ci/'))), None)


@pytest.mark.parametrize('command', COMMANDS, ids=name)
def test_every_command_is_marked(command):
    how = f'{name(command)}: write `<!-- run by TEST -->` above the block, or a line `# needs: ...` of {sorted(NEEDS)} into it'
    assert command.mark, how
    kind, _, value = command.mark.partition(' ')
    if kind == 'needs:':
        assert set(value.split(', ')) <= NEEDS, how
        return
    assert command.mark.startswith('run by '), how
    path, _, function = command.mark.removeprefix('run by ').partition('::')
    assert path.startswith('tests/') or path in RUNNERS, how
    text = (ROOT / path).read_text(encoding='utf-8')
    assert not function or f'def {function}(' in text, f'{path} has no {function}'
    place = tool_of(command.words)
    if path != Path(__file__).relative_to(ROOT).as_posix():  # which takes the commands from the page itself
        word = command.words[place] if place is not None else command.words[-1]
        assert Path(word).name in text, f'{path} does not name {word}'


@functools.cache
def parser_of(tool):
    return runpy.run_path(str(tool), run_name='tool')


def check_arguments(tool, arguments):
    """Has the tool's own parser read the arguments."""
    arguments = ['1' if re.fullmatch('[A-Z]', word) else expand(word)[0] for word in arguments]
    parse = parser_of(tool)['parse_args']
    errors = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(errors):
        patch.setattr(sys, 'argv', [tool.name, *arguments])
        try:
            parse(*[arguments] if inspect.signature(parse).parameters else [])
        except SystemExit as end:
            assert not end.code, f'{tool.name} {shlex.join(arguments)}: {errors.getvalue()[-300:]}'


@pytest.mark.parametrize('command', [c for c in COMMANDS + INLINE_COMMANDS if tool_of(c.words) is not None], ids=name)
def test_tools_configs_and_options_exist(command):
    place = tool_of(command.words)
    tool, arguments = ROOT / command.words[place], command.words[place + 1:]
    assert tool.is_file(), f'{tool} does not exist'
    for word in arguments:
        if re.match(r'(configs|projects)/.*\.py$', word):
            for path in expand(word):
                assert (ROOT / path).is_file(), f'{path} does not exist'
    if tool.suffix == '.py':
        check_arguments(tool, arguments)
    elif tool.name in LAUNCHERS:
        started, before = LAUNCHERS[tool.name]
        del arguments[before]
        check_arguments(ROOT / 'tools' / started, arguments)


NO_WORKERS = [f'{split}_dataloader.{option}' for split in ('train', 'val', 'test')
              for option in ('num_workers=0', 'persistent_workers=False')]
FEWER = {
    'synthetic_avs.py': ['--num-train', '4', '--num-val', '1', '--num-test', '2'],
    'train.py': ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'param_scheduler.1.end=1', 'train_dataloader.batch_size=2',
                 'default_hooks.checkpoint.interval=1', *NO_WORKERS],
    'test.py': NO_WORKERS}


@pytest.mark.slow
@pytest.mark.parametrize('page, written', [('projects/icf_in_mmseg/README.md', 'work_dirs/segformer_icf_synthetic'),
                                           ('docs/en/train_and_test.md', 'out/pictures')])
def test_commands_run(page, written, tmp_path, monkeypatch):
    """The blocks that name this test, as they stand on the page but with fewer clips and one epoch."""
    commands = [command.words[1:] for command in COMMANDS
                if command.page == ROOT / page and command.mark.endswith('::test_commands_run')]
    assert [Path(words[0]).name for words in commands] == list(FEWER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setattr(Runner, '_log_env', lambda *_: None)  # asks compilers for their versions
    for words in commands:
        tool = Path(words[0]).name
        words = [re.sub(r'epoch_\d+\.pth$', 'epoch_1.pth', word) for word in words]
        words = [str(ROOT / word) if (ROOT / word).is_file() else word for word in words]
        if tool != 'synthetic_avs.py':
            words += ['--cfg-options', f'experiment_name={tmp_path.name}_{tool}']
        monkeypatch.setattr(sys, 'argv', words + FEWER[tool])
        runpy.run_path(words[0], run_name='__main__')
    assert list((tmp_path / written).glob('*'))
    scores = [json.loads(path.read_text()) for path in (tmp_path / 'work_dirs').glob('*/test/*/*.json')]
    assert any('J' in found for found in scores)


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_blocks_name_their_language(page):
    """Commands in a block of another name would not be checked."""
    languages = {block['language'] for block in BLOCK.finditer(page.read_text(encoding='utf-8'))}
    assert languages <= {'bash', 'python', 'text', 'bibtex'}


def test_the_commands_were_found():
    assert len(COMMANDS) > 20 and len(INLINE_COMMANDS) > 10
    tools = {command.words[tool_of(command.words)] for command in COMMANDS if tool_of(command.words) is not None}
    assert {'tools/train.py', 'tools/test.py', 'tools/inference.py', 'tools/dist_train.sh'} <= tools


def test_wrong_commands_are_noticed():
    with pytest.raises(AssertionError, match='unrecognized arguments'):
        check_arguments(ROOT / 'tools/train.py', ['CONFIG', '--no-such-option'])
    page = ROOT / 'docs/en/data.md'
    with pytest.raises(AssertionError, match='no_such'):
        test_tools_configs_and_options_exist(Command(page, ['python', 'tools/train.py', 'configs/icf/no_such.py'], None))
    with pytest.raises(AssertionError, match='needs'):
        test_every_command_is_marked(Command(page, ['python', 'tools/train.py', 'CONFIG'], None))
