# COMBO as the published MS3 weights learned it (tools/model_converters): audio of other frames reaches most queries.
_base_ = 'combo_pvt_ms3.py'
model = dict(decode_head=dict(decoder=dict(audio_query_layout='released')))
