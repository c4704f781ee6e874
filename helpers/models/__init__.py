"""The paper's detectors in plain torch on timm backbones.

Two stages: images -> backbones -> fpn -> rpn -> roi_heads, which sample boxes (matching), classify
and refine them (cascade) and draw masks (mask_head or pointrend); build puts them together. One
stage: solov2. Beneath lie boxes, points (bilinear samples), roi_align, deform, layers and losses;
beside them checkpoints, which reads foreign weights.
"""
