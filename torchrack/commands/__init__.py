"""The subcommands of ``torchrack``, a module each."""
