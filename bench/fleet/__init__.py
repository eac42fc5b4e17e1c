"""A fleet of SSH hosts on this machine that answer as a deployed host answered before."""
