# What a server is busy with, in one go, as root. It changes nothing.
# Sections start with "== NAME"; "== end" says that nothing was cut off.
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
section() { printf '== %s\n' "$1"; }

section cloud-init
if command -v cloud-init >/dev/null; then
    timeout -k 1 20 cloud-init status --long 2>/dev/null
fi
section boot
timeout -k 1 10 systemctl is-system-running 2>/dev/null
section jobs
timeout -k 1 10 systemctl list-jobs --no-legend 2>/dev/null | awk '$4 == "running" {print $2}'

section packages
# Locks of fcntl; the kernel lists their holders by inode.
inodes=$(stat -c %i /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock 2>/dev/null)
awk -v inodes="$(echo "|"$inodes"|" | tr ' ' '|')" '
    $2 == "POSIX" {n = split($6, a, ":"); if (index(inodes, "|" a[n] "|")) print $5}' /proc/locks |
    sort -u | while read -r pid; do
        printf '%s %s\n' "$pid" "$(tr '\0\n' '  ' <"/proc/$pid/cmdline" 2>/dev/null)"
    done

section people
# A terminal is somebody's where it has a session leader; sudo and containers make others.
variable() { tr '\0' '\n' <"/proc/$1/environ" 2>/dev/null | sed -n "s/^$2=//p"; }
parent() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f2; }
pid=$$ origin='' now=$(date +%s)
while [ "${pid:-0}" -gt 1 ] && [ -z "$origin" ]; do
    origin=$(variable "$pid" SSH_CONNECTION | cut -d' ' -f1)
    pid=$(parent "$pid")
done
me=${SUDO_USER:-root}
cat /proc/[0-9]*/stat 2>/dev/null | awk '
    {pid = $1; comm = $0; sub(/^[0-9]+ \(/, "", comm); sub(/\).*/, "", comm); sub(/^.*\) /, "")}
    {name[pid] = comm; parent[pid] = $2}
    $4 == pid && $5 != 0 && comm !~ /^(a?getty|login|systemd.*)$/ {leader[pid]}
    END {for (pid in leader) if (name[pid] != "sudo" || name[parent[pid]] != "sudo") print pid}' |
    while read -r pid; do
        [ "$(readlink "/proc/$pid/ns/pid")" = "$(readlink /proc/$$/ns/pid)" ] || continue
        tty=$(readlink "/proc/$pid/fd/0")
        case $tty in /dev/pts/* | /dev/tty* | /dev/hvc* | /dev/console) ;; *) continue ;; esac
        user=$(stat -c %U "$tty") || continue
        last=$(stat -c '%X %Y' "$tty" 2>/dev/null | awk '{print ($1 > $2) ? $1 : $2}')
        from=$(variable "$pid" SSH_CONNECTION | cut -d' ' -f1)
        [ "$user $from" = "$me $origin" ] && ours=1 || ours=0
        printf '%s\t%s\t%s\t%s\t%s\n' "$user" "${tty#/dev/}" "$((now - ${last:-$now}))" "$from" "$ours"
    done | sort -u

section room
for path in / /home /run /tmp /var; do
    [ -d "$path" ] || continue
    df -PB1 -- "$path" | awk -v path="$path" 'NR == 2 {print path "\tbytes\t" $4}'
    df -Pi -- "$path" | awk -v path="$path" 'NR == 2 {print path "\tinodes\t" ($2 > 0 ? $4 : "any")}'
    # Of several mounts at one place the last is the one that shows.
    awk -v path="$path" '$2 == path {options = $4}
        END {if (("," options ",") ~ /,ro,/) print path "\tread-only\t0"}' /proc/mounts
done
section end
