"""One run of a deploy file, in this process: what ``torchrack deploy`` and ``drift fix`` do.

The same operations as ``pyinfra INVENTORY deploy.py`` runs, by pyinfra's own machinery.
"""
