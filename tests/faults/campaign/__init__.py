"""The fault campaign: faults are injected into a running stack under load; what it did is judged afterwards.

`journal` writes down what clients were told, `history` what the tables went through, `checker` judges both
without knowing what was injected. A `trial` is one fault against a `rig`; `matrix` lists them all.
"""
