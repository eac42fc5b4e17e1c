"""The lab's private registry: Debian's docker-registry with TLS and accounts."""
