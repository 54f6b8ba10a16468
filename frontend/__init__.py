"""The dashboard: Dash on FastAPI. It speaks REST only and computes nothing."""
