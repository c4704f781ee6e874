"""The paper's detectors in plain torch on timm backbones.

Two stages: images -> backbones -> fpn -> rpn -> the heads of build, which assign and sample boxes
(matching), classify and refine them (cascade) and make masks (mask_head or pointrend). One stage:
solov2. Beneath lie boxes, points (bilinear samples), roi_align, deform, layers and losses; beside
them checkpoints, which reads foreign weights.
"""
