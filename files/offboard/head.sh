# Before every step of offboarding: how it speaks. Lines that begin with "==" are read by Torchrack.
set -eu
umask 077
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset $(env | sed -n 's/^\(DOCKER_[A-Za-z0-9_]*\)=.*/\1/p'); export DOCKER_HOST=unix:///var/run/docker.sock DOCKER_CONFIG=/etc/torchrack/docker
say() { printf '==said\t%s\n' "$*"; }
refuse() {  # FOUND NEEDED FIX
    printf '==refused\t%s\t%s\t%s\n' "$(echo "$1" | tr '\n\t' '  ')" "$2" "$3"
    exit 1
}
