"""Weights of R'G'B' in luma: Rec. 601 for faces, Rec. 709 for landscapes; each measure keeps the
one that its shipped networks and published figures were made with."""

REC_601 = (0.299, 0.587, 0.114)
"""ITU-R BT.601-7, section 2.5.1; also the Y row of YIQ."""
REC_709 = (0.2126, 0.7152, 0.0722)
"""ITU-R BT.709-6, item 3.2."""
