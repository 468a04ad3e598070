"""The convolution of an upsampled map equals upsampling, then convolving."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmicf.models.layers import conv_of_upsampled


@pytest.mark.parametrize('scale, height, width, kernel, bias', [
    (4, 7, 5, 3, True), (2, 6, 9, 3, True), (4, 1, 1, 3, True), (3, 4, 5, 5, False), (2, 3, 4, 1, True)])
def test_values_and_gradients(scale, height, width, kernel, bias):
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 4, kernel, padding=kernel // 2, bias=bias).double()
    x = torch.randn(2, 6, height, width, dtype=torch.double, requires_grad=True)
    plain = conv(F.interpolate(x, scale_factor=scale, mode='bilinear', align_corners=False))
    ours = conv_of_upsampled(x, conv, scale)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-13)
    weight = torch.randn_like(plain)
    channels_last = conv_of_upsampled(x.to(memory_format=torch.channels_last), conv, scale)
    torch.testing.assert_close(channels_last, plain, rtol=0, atol=1e-13)
    sources = [x, *conv.parameters()]
    for ours_grad, plain_grad in zip(torch.autograd.grad((ours * weight).sum(), sources),
                                     torch.autograd.grad((plain * weight).sum(), sources), strict=True):
        torch.testing.assert_close(ours_grad, plain_grad, rtol=0, atol=1e-12)


def test_half_precision_is_as_exact_as_the_plain_form():
    torch.manual_seed(0)
    conv, x = nn.Conv2d(16, 8, 3, padding=1), torch.randn(1, 16, 6, 6)
    exact = conv(F.interpolate(x, scale_factor=4, mode='bilinear'))
    with torch.autocast('cpu', torch.bfloat16):
        error = (conv_of_upsampled(x, conv, 4) - exact).abs().max()
        plain_error = (conv(F.interpolate(x, scale_factor=4, mode='bilinear')) - exact).abs().max()
    assert 0 < error < 3 * plain_error


@pytest.mark.parametrize('options', [dict(kernel_size=2), dict(kernel_size=3), dict(kernel_size=(3, 1), padding=(1, 0)),
                                     dict(kernel_size=3, padding=1, stride=2), dict(kernel_size=3, padding=2, dilation=2),
                                     dict(kernel_size=3, padding=1, groups=2),
                                     dict(kernel_size=3, padding=1, padding_mode='reflect')])
def test_other_convolutions_are_refused(options):
    with pytest.raises(ValueError, match='padding k//2'):
        conv_of_upsampled(torch.zeros(1, 4, 3, 3), nn.Conv2d(4, 4, **options), 2)
