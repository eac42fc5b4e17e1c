"""Taking a server out of a fleet: what we brought goes, what is its users' stays."""
