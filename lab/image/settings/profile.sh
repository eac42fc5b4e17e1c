# Debian's /etc/profile sets PATH anew in every login shell: put the image's Python first again.
PATH="/opt/torchrack/bin:$PATH"
