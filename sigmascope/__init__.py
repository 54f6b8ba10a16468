"""Singular-value spectra of neural networks, beside the laws of random matrix theory.

Importing this package loads neither torch nor the service. Its parts:

- :mod:`sigmascope.theory`: laws, edges and estimators, in numpy and scipy alone;
- :mod:`sigmascope.spectra`, :mod:`sigmascope.prediction`, :mod:`sigmascope.recorder`: spectra and their
  prediction during training, in torch;
- :mod:`sigmascope.client`: a client of the service.
"""
