# What preflight has to know of a host, in one go, as root. It changes nothing.
# Python puts assignments and functions before this text (torchrack/preflight/script.py):
#   wanted_driver     the driver version that is asked for
#   disk_paths        prints the paths whose file systems must have room
#   wanted_ports      ports that workloads want, as |1F90|2328| (hex, as in /proc/net/tcp)
#   wanted_uuids      UUIDs of GPUs that workloads want
#   smi_processes     command that lists processes on the GPUs
#   label             the label of our containers
#   check_reach       1 where mirrors and registries are to be contacted
#   docker_source     docker-ce, or distro, whose unit reads /etc/default/docker
#   our_hosts         names of those sites, without ports
#   our_sites         sites of the configured repositories, as |host|host:port|
#   survey            prints the survey of the host
#   daemon            prints the state of the Docker daemon
#   volumes           prints whose the volumes are that workloads name
#   away              prints which paths that workloads mount lie on a share that is not mounted
#   reach_all         calls `reach NAME URL [apt option...]` for each mirror and registry
# Sections start with "==NAME"; "==end" says that nothing was cut off. Results of `reach` go to
# standard error, one line each, because they run beside the rest and lines must not mix.
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset $(env | sed -n 's/^\(DOCKER_[A-Za-z0-9_]*\)=.*/\1/p'); export DOCKER_HOST=unix:///var/run/docker.sock DOCKER_CONFIG=/etc/torchrack/docker
section() { printf '==%s\n' "$1"; }

section clock
date +%s.%N
section survey
survey
if ! command -v dpkg-query >/dev/null; then
    section end
    exit 0
fi

dir=$(mktemp -d -p /run torchrack-preflight.XXXXXX) || { echo "no folder could be made in /run" >&2; exit 1; }
trap 'rm -rf -- "$dir"' EXIT
trap 'exit 1' HUP INT TERM PIPE

os=$(. /etc/os-release; echo "$ID")
codename=$(. /etc/os-release; echo "$VERSION_CODENAME")
distribution=$(. /etc/os-release; echo "$ID$VERSION_ID" | tr -d .)
architecture=$(dpkg --print-architecture)
case $architecture in amd64) cuda_architecture=x86_64 ;; *) cuda_architecture=sbsa ;; esac
system_cas=/etc/ssl/certs/ca-certificates.crt

# apt's own downloader is on every host, unlike curl and python3, and it minds apt's proxy.
reach() {
    name=$1 url=$2
    shift 2
    (
        out=$(timeout -k 1 15 /usr/lib/apt/apt-helper -o APT::Sandbox::User=root \
            -o Acquire::Retries=1 -o Acquire::http::Timeout=5 -o Acquire::https::Timeout=5 "$@" \
            download-file "$url" "$dir/${name##* }.$$.$(date +%N)" 2>&1 </dev/null)
        printf 'reach\t%s\t%s\t%s\t%s\n' "$name" "$url" "$?" "$(printf %s "$out" | tr '\n\t' '  ')" >&2
    ) >/dev/null &
}
section own-sources
sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/torchrack-*.sources 2>/dev/null
section apt-sources
sources=$(apt-get update --print-uris -o Debug::NoLocking=true 2>/dev/null |
    cut -d"'" -f2 | grep -E '^https?://.*/InRelease$' | sort -u)
printf '%s\n' "$sources"
if [ "$check_reach" = 1 ]; then
    reach_all
    # Of what the host itself has configured, one small file a site, unless the site is asked above.
    for uri in $(printf '%s\n' "$sources" | awk -F / -v ours="$our_sites" \
        '!seen[$3]++ && !index(ours, "|" $3 "|")'); do
        reach "apt source" "${uri%/InRelease}/Release.gpg"
    done
fi
if [ "$check_reach" = 1 ]; then
    # Proxies of apt and of the system, without scheme, login, path and port.
    proxies=$(
        { apt-config dump 2>/dev/null | sed -nE 's/^Acquire::https?::Proxy[^ ]* "([^"]+)";.*/\1/p'
            sed -nE 's/^(export +)?(https?_proxy|HTTPS?_PROXY)="?([^"]+)"?.*/\3/p' /etc/environment 2>/dev/null
        } | sed -E 's,^[a-z0-9+.-]+://,,; s,^[^/@]*@,,; s,/.*,,; s,^\[([^]]*)\].*,\1,; s,:[0-9]+$,,' | sort -u
    )
    for name in $our_hosts $proxies; do
        (timeout 5 getent ahosts "$name" 2>/dev/null | awk -v name="$name" '!seen[$1]++ {print "site", name, $1}' \
            >>"$dir/sites") >/dev/null 2>&1 &
    done
fi
section ca-bundle
[ ! -s "$system_cas" ] || echo "$system_cas"

section secure-boot
for f in /sys/firmware/efi/efivars/SecureBoot-*; do
    [ ! -r "$f" ] || od -An -t u1 -j 4 -N 1 "$f"
done
section dkms-key-enrolled
# A module that DKMS builds is signed with this key; it loads once the firmware's owner enrolled it.
for f in /var/lib/shim-signed/mok/MOK.der /var/lib/dkms/mok.pub; do
    [ ! -e "$f" ] || mokutil --test-key "$f" 2>/dev/null
done

section cpus
cat /sys/devices/system/cpu/online 2>/dev/null
section memory
awk '$1 == "MemTotal:" {printf "%.0f\n", $2 * 1024}' /proc/meminfo
section gpu-names
# UUIDs are known where a driver is loaded; nvidia-smi is asked only for those that are declared.
[ -z "$wanted_uuids" ] || timeout -k 1 15 nvidia-smi -L 2>/dev/null | grep -o 'UUID: [^)]*'

section disk
disk_paths | while read -r path; do
    at=$path
    while [ ! -e "$at" ]; do at=$(dirname -- "$at"); done
    df -PB1 -- "$at" | awk -v path="$path" 'NR == 2 {print path "\t" $4 "\t" $6}'
done

section module
cat /proc/driver/nvidia/version 2>/dev/null
section gpu-processes
if [ -r /proc/driver/nvidia/version ] && ! grep -qF " $wanted_driver " /proc/driver/nvidia/version; then
    # Whoever has a GPU open, seen without NVML, which fails just when versions do not match,
    for fd in $(find /proc/[0-9]*/fd -lname '/dev/nvidia*' 2>/dev/null); do
        pid=${fd#/proc/}
        pid=${pid%%/*}
        printf '%s %s\n' "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null)"
    done | sort -u
    # and what NVML knows of containers whose processes are not ours to look into.
    section smi-processes
    timeout -k 1 15 $smi_processes 2>/dev/null
fi

section ports
if [ -n "$wanted_ports" ]; then
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v wanted="$wanted_ports" '
        $4 == "0A" {split($2, a, ":"); if (index(wanted, "|" a[2] "|")) print a[1], a[2], $10}' |
        while read -r address port inode; do
            pids=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" 2>/dev/null | cut -d/ -f3 | sort -u)
            for pid in ${pids:-0}; do
                echo "$address $port $pid $(cat "/proc/$pid/comm" 2>/dev/null)"
            done
        done
fi

section away
away
# A socket on :: takes IPv4 as well, unless it says that it doesn't; only ss shows that.
section ports-v6only
if [ -n "$wanted_ports" ]; then
    ss -Htlne 2>/dev/null | awk '/v6only:1/ && $4 ~ /^\[?::\]?:[0-9]+$/ {sub(/.*:/, "", $4); print $4}'
fi

section docker-foreign
for f in /var/lib/snapd/snaps/docker_*.snap /usr/local/bin/dockerd; do
    [ -e "$f" ] || continue
    # A snap that is disabled runs nothing, and keeps its data.
    case $f in *.snap) timeout 10 snap list docker 2>/dev/null | grep -q disabled && continue ;; esac
    echo "$f"
done
section daemon
daemon
if systemctl is-active --quiet docker.service 2>/dev/null; then
    section images
    timeout -k 1 20 docker image ls --digests --format '{{.Repository}}@{{.Digest}}' 2>/dev/null
    section networks
    timeout -k 1 20 docker network ls --format '{{.Name}}' 2>/dev/null
    section containers
    timeout -k 1 20 docker ps --format '{{.Names}}{{"\t"}}{{.Label "'"$label"'"}}{{"\t"}}{{.Ports}}' 2>/dev/null
    section volumes
    volumes
fi

section apt-lock
holders() {
    inodes=$(stat -c %i /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock 2>/dev/null)
    awk -v inodes="$(echo "|"$inodes"|" | tr ' ' '|')" '
        $2 == "POSIX" {n = split($6, a, ":"); if (index(inodes, "|" a[n] "|")) print $5}' /proc/locks |
        sort -u
}
held=$(holders)
for pid in $held; do
    printf '%s %s\n' "$pid" "$(tr '\0\n' '  ' <"/proc/$pid/cmdline" 2>/dev/null)"
done

section apt-check
if [ -z "$held" ]; then
    # Dependencies of what is installed need no package lists: ten times as fast, and apt leaves
    # its caches as they are.
    mkdir -p "$dir/lists"
    timeout -k 1 40 apt-get -q -o Debug::NoLocking=true -o "Dir::State::Lists=$dir/lists" \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= check 2>&1
    rc=$?
    echo "rc=$rc"
    if [ "$rc" != 0 ]; then
        section apt-fix
        timeout -k 1 40 apt-get -q -s -o Debug::NoLocking=true --fix-broken install 2>&1
        echo "rc=$?"
    fi
fi

section packages
dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\t${source:Package}\n' | awk -F '\t' '
    $1 !~ /^.[icn] / || $2 ~ /docker|containerd|nvidia|^cuda-drivers|^lib(cuda|nvcuvid|nvoptix|nvsdm)/'
section driver-origins
# shellcheck disable=SC2046
set -- $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | awk '
    $1 == "installed" && $2 ~ /nvidia|^cuda-drivers|^lib(cuda|nvcuvid|nvoptix|nvsdm)/ {print $2}')
[ "$#" = 0 ] || apt-cache policy "$@" 2>/dev/null | awk '
    /^[^ ]/ {print; installed = 0} /^ \*\*\*/ {installed = 1} /^     [^ ]/ {installed = 0} installed'
section driver-files
set --
for f in /usr/bin/nvidia-installer /usr/bin/nvidia-uninstall /usr/bin/nvidia-smi \
    /usr/lib/*-linux-gnu/libcuda.so.1 /usr/lib/*-linux-gnu/libnvidia-ml.so.1; do
    [ ! -e "$f" ] || set -- "$@" "$(readlink -f "$f")"
done
[ "$#" = 0 ] || printf '%s\n' "$@"
section driver-files-owned
[ "$#" = 0 ] || dpkg-query -S "$@" 2>/dev/null

wait
section network
# sudo drops the variable; a process further up, the login's, has it.
pid=$$ client=
while [ "${pid:-0}" -gt 1 ] && [ -z "$client" ]; do
    client=$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p')
    pid=$(sed -n 's/^.*) [A-Za-z] \([0-9]*\) .*/\1/p' "/proc/$pid/stat" 2>/dev/null)
done
echo "client ${client%% *}"
for family in -4 -6; do
    ip -o "$family" route show table all 2>/dev/null | head -n 5000 | sed 's/^/route /'
done
sed -n 's/^[[:space:]]*nameserver[[:space:]]*/dns /p' /etc/resolv.conf /run/systemd/resolve/resolv.conf 2>/dev/null
[ ! -r /etc/docker/daemon.json ] || echo "json $(base64 -w0 /etc/docker/daemon.json)"
set -- /etc/systemd/system/docker.service.d/*.conf
[ "$docker_source" != distro ] || set -- "$@" /etc/default/docker
cat "$@" 2>/dev/null | grep -v '^[[:space:]]*[#;]' |
    grep -oE -- "--(bip6?|fixed-cidr(-v6)?|default-address-pool)[= ]+[\"']?[^[:space:]\\\\\"']+" | sed 's/^/flag /'
cat "$dir/sites" 2>/dev/null
section end
