# COMBO as the published AVSS weights learned it (tools/model_converters): audio of other frames reaches most queries.
_base_ = 'combo_pvt_avss.py'
model = dict(decode_head=dict(decoder=dict(audio_query_layout='released')))
