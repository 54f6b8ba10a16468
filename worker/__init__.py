"""The worker: takes a run from the queue, trains, and stores spectra as it goes."""
