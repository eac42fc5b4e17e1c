"""Simulated GPU servers on this machine: real systemd, apt, sshd, Docker and reboots."""
