"""The paper's detectors in plain torch on timm backbones."""
