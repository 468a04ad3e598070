# The released network, for its published weights: the memory is the published bank with M entries per class, taken as one cluster
# (set per_cluster to the file's M); layer norms of the blocks have PyTorch's epsilon.
_base_ = 'ddeseg_mit.py'
model = dict(
    derivation=dict(
        style='released',
        memory=dict(path='pretrained/1s_k5_feabank.npy', classes='avss+background', num_clusters=1, per_cluster=5)),
    backbone=dict(style='released', encoder=dict(norm_layer='LN')))
