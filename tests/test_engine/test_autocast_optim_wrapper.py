"""bfloat16 forward on the CPU, float32 weights and gradients."""
import torch
from mmengine.optim import OptimWrapper

from mmicf.engine import AutocastOptimWrapper


def gradient(wrapper_type, **kwargs):
    torch.manual_seed(0)
    model = torch.nn.Linear(64, 64)
    wrapper = wrapper_type(torch.optim.SGD(model.parameters(), lr=0.1), **kwargs)
    wrapper.initialize_count_status(model, 0, 4)
    with wrapper.optim_context(model):
        out = model(torch.randn(8, 64))
    before = model.weight.detach().clone()
    wrapper.update_params(out.float().square().mean())
    return out.dtype, model.weight.dtype, model.weight.detach() - before


def test_bf16_forward_close_to_float32():
    half_type, weight_type, half = gradient(AutocastOptimWrapper)
    full_type, _, full = gradient(OptimWrapper)
    assert (half_type, full_type, weight_type) == (torch.bfloat16, torch.float32, torch.float32)
    assert not torch.equal(half, full)
    torch.testing.assert_close(half, full, rtol=0.05, atol=2e-5)


def test_keeps_accumulation():
    _, _, step = gradient(AutocastOptimWrapper, accumulative_counts=2)
    assert (step == 0).all()
