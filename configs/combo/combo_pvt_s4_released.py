# COMBO as the published S4 weights learned it (tools/model_converters): audio of other frames reaches most queries.
_base_ = 'combo_pvt_s4.py'
model = dict(decode_head=dict(decoder=dict(audio_query_layout='released')))
