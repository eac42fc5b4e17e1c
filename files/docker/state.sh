# docker.service, daemon.json, our records of it, and what the engine says of itself: "key=value"
# lines, files in base64 after a plus. It changes nothing, and does not wake a daemon that is stopped.
# Python puts assignments before this text (torchrack/facts/docker.py):
#   daemon_json, owned, taken   paths
#   declared_root               the data root that the settings want, where they say one
#   unit_folders                where systemd looks for units
export LC_ALL=C
unset $(env | sed -n 's/^\(DOCKER_[A-Za-z0-9_]*\)=.*/\1/p'); export DOCKER_HOST=unix:///var/run/docker.sock DOCKER_CONFIG=/etc/torchrack/docker
state=$(systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,MainPID,ExecMainStartTimestampMonotonic -- docker.service)
printf '%s\n' "$state"
pid=$(printf '%s\n' "$state" | sed -n 's/^MainPID=//p')
# A daemon that does not run is the one whose file we were changing when it ended, or none.
ended=$(changing "$taken")
case $pid in ''|0) process=${ended##*/} process=${process:-0-0} ;; *) process=$pid-$(printf '%s\n' "$state" | sed -n 's/^ExecMainStartTimestampMonotonic=//p') ;; esac
echo "Process=$process"
echo "Now=$(date +%s.%N)"
echo "Uptime=$(cut -d' ' -f1 /proc/uptime)"
echo "Mode=$(stat -Lc '%a %U' "$daemon_json" 2>/dev/null)"
# Without the file, its removal is what may be newer than the daemon.
echo "Changed=$(stat -Lc %.6Z "$daemon_json" 2>/dev/null || stat -Lc %.6Z /etc/docker 2>/dev/null)"
encoded() { [ ! -f "$2" ] || echo "$1=$2 $(base64 -w0 -- "$2")"; }
for f in "$daemon_json" "$owned" "$taken/$process/daemon.json" "$taken/$process/before.json"; do
    if [ -e "$f" ]; then echo "File=+$(base64 -w0 -- "$f")"; else echo File=; fi
done
# From the disk: systemd's own answer is of before the next daemon-reload.
units=$(
    for d in $unit_folders; do [ ! -e "$d/docker.service" ] || echo "$d/docker.service"; done | head -n 1
    for d in $unit_folders; do ls -d "$d"/docker.service.d/*.conf 2>/dev/null; done
    for d in $unit_folders; do ls -d "$d"/service.d/*.conf 2>/dev/null; done
)
texts=$(printf '%s\n' "$units" | while read -r f; do [ ! -f "$f" ] || { cat "$f"; echo; }; done)
printf '%s\n' "$units" | while read -r f; do encoded Unit "$f"; done
files=$(printf '%s\n' "$texts" | sed -n 's/^[[:space:]]*EnvironmentFile[[:space:]]*=[[:space:]]*-\{0,1\}//p')
for f in $files; do encoded Environment "$f"; done
case $pid in ''|0) running= ;; *) running=$(tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null); echo "Command=$(tr -d '\n' <"/proc/$pid/cmdline" | base64 -w0)" ;; esac
root=
case $state in *ActiveState=active*|*ActiveState=reloading*)
    info=$(timeout -k 1 20 docker info --format '{"root":{{json .DockerRootDir}},"driver":{{json .Driver}},"status":{{json .DriverStatus}},"security":{{json .SecurityOptions}},"swarm":{{json .Swarm.LocalNodeState}},"containers":{{json .Containers}},"images":{{json .Images}},"version":{{json .ServerVersion}}}' 2>/dev/null)
    echo "Engine=$info"
    root=$(printf '%s\n' "$info" | sed -n 's/^{"root":"\([^"]*\)".*/\1/p')
esac
# Folders that are, or may become, the data root.
{
    printf '%s\n' /var/lib/docker "$root" "${root%/[0-9]*.[0-9]*}" "${declared_root-}"
    tr '\n' ' ' <"$daemon_json" 2>/dev/null | grep -oE '"(data-root|graph)"[[:space:]]*:[[:space:]]*"[^"]*"' | sed 's/"$//; s/.*"//'
    { printf '%s\n' "$texts" | tr '\n' ' '; cat -- $files /dev/null 2>/dev/null | tr '\n' ' '; printf '%s ' $running; } |
        grep -oE -e '(--data-root|--graph|-g)[= ]+[^[:space:]]+' | sed -E "s/^[^= ]*[= ]+//; s/[\"']//g"
} | grep '^/' | sort -u | while read -r path; do
    real=$(readlink -m -- "$path")
    count() { find "$real/$1" "$real"/[0-9]*.[0-9]*/"$1" -mindepth 1 -maxdepth 1 -type d 2>/dev/null; }
    printf 'Root=%s\t%s\t%s\t%s\t%s\t%s\n' "$path" "$real" "$(count containers | wc -l)" "$(count volumes | wc -l)" \
        "$(count image | sed 's|.*/||' | sort -u | tr '\n' ' ')" "$([ ! -s "$real/swarm/docker-state.json" ] || echo swarm)"
done
