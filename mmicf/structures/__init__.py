"""What travels between datasets, models and metrics, and inside ICF."""
from .av_data_sample import AVDataSample
from .av_inputs import AVBatch, AVFeatures, AVInputs, DecoderText
from .icf import Counterfactuals, FactualText, ICFInputs

__all__ = ['AVBatch', 'AVDataSample', 'AVFeatures', 'AVInputs', 'Counterfactuals', 'DecoderText', 'FactualText', 'ICFInputs']
