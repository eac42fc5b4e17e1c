"""Settings of every host, unless its group or its inventory entry says otherwise.

docs/settings.md lists every field with its default. Sections are merged field by field: a more
specific file names only what differs.
"""
