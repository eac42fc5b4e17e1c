"""The stages: one module each, one public deploy function each."""
