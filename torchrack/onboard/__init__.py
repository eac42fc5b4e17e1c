"""From an address and a first login to a server of the fleet, with a verdict."""
