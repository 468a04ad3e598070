"""Everything that registers itself is there after one call, and our scope is the default one if it is wanted."""
import subprocess
import sys


def test_registration_and_scope():
    code = ('from mmicf.utils.setup_env import register_all_modules; from mmengine.registry import DefaultScope; '
            'from mmicf.registry import MODELS; register_all_modules(False); scope = DefaultScope.get_current_instance; '
            "print('AVSegmentor' in MODELS.module_dict, scope()); register_all_modules(); print(scope().scope_name)")
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert out.stdout.split()[-3:] == ['True', 'None', 'mmicf']
