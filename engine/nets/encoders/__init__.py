"""Encoders of aligned portraits into w+ (pSp, SAM), on the IR-SE50 body."""
