"""What travels between datasets, models and metrics."""
from .av_data_sample import AVDataSample
from .av_inputs import AVBatch, AVFeatures, AVInputs

__all__ = ['AVBatch', 'AVDataSample', 'AVFeatures', 'AVInputs']
