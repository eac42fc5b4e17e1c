"""The lab's container images, built with buildah and without an engine."""
