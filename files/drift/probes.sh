# What a host shows that no deploy sets, in one go, as root. It changes nothing.
# Sections start with "==NAME" and end with "==rc STATUS" of the command that says most.
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo ==sockets
ss -Hlntup 2>/dev/null
echo "==rc $?"
echo ==disks
df -PB1 / /boot /var/lib/docker 2>/dev/null | sed 's/^/bytes /'
df -Pi / /boot /var/lib/docker 2>/dev/null | sed 's/^/inodes /'
echo "==rc $?"
echo ==accounts
awk -F: '$3 == 0 {print "root " $1}' /etc/passwd
getent group docker | awk -F: '{n = split($4, names, ","); for (i = 1; i <= n; i++) print "docker " names[i]}'
for f in /etc/sudoers.d/*; do
    # sudo itself passes over names with a dot or a tilde at the end.
    case ${f##*/} in *.*|*~|README|\*) ;; *) echo "sudoers ${f##*/}" ;; esac
done
for f in /root/.ssh/authorized_keys /root/.ssh/authorized_keys2; do
    [ ! -f "$f" ] || grep -cE '^[^#[:space:]]' "$f" | sed "s|^|rootkeys $f |"
done
echo "==rc 0"
echo ==docker
timeout -k 2 20 docker info --format '{{json .}}' 2>/dev/null
echo "==rc $?"
echo ==xid
dmesg --time-format iso 2>/dev/null | grep 'NVRM: Xid' | tail -n 100
dmesg >/dev/null 2>&1
echo "==rc $?"
echo ==gpus
found=0 count=0
for d in /sys/bus/pci/devices/*; do
    read -r vendor < "$d/vendor" && read -r class < "$d/class" || continue
    case $vendor/$class in 0x10de/0x0300*|0x10de/0x0302*) echo "pci ${d##*/}"; found=1 count=$((count + 1)) ;; esac
done 2>/dev/null
status=0
# An unknown field fails a whole query: groups, so that a branch that lacks one loses that group alone.
smi() {
    what=$1; shift
    out=$(timeout -k 2 20 nvidia-smi "$@" 2>/dev/null) || { rc=$?; echo "failed $what $rc"; [ "$what" != health ] || status=$rc; return; }
    echo "$out" | sed "s/^/$what /"
}
if [ $found = 1 ]; then
    smi health --format=csv,nounits --query-gpu=index,pci.bus_id,name,pstate,ecc.mode.current,ecc.mode.pending,ecc.errors.uncorrected.volatile.total,retired_pages.pending,retired_pages.single_bit_ecc.count,retired_pages.double_bit.count,pcie.link.gen.current,pcie.link.gen.max,pcie.link.width.current,pcie.link.width.max,temperature.gpu
    smi clocks --format=csv,nounits --query-gpu=pci.bus_id,clocks_event_reasons.hw_slowdown,clocks_event_reasons.hw_thermal_slowdown,clocks_event_reasons.hw_power_brake_slowdown,clocks_event_reasons.sw_thermal_slowdown
    smi fabric --format=csv,nounits --query-gpu=pci.bus_id,fabric.state,fabric.status
    smi rows --format=csv,nounits --query-remapped-rows=gpu_bus_id,remapped_rows.pending,remapped_rows.failure
    smi links nvlink -s
fi
echo "==rc $status"
echo ==containers
echo "pci $count"
# What the kernel holds a container to, whatever Docker says; and the GPUs that it can use itself.
limits() {
    v2=$(sed -n 's/^0:://p' "/proc/$1/cgroup")
    if [ -e "/sys/fs/cgroup$v2/memory.max" ]; then
        d=/sys/fs/cgroup$v2
        read -r quota period < "$d/cpu.max"
        echo "limits $2 $(cat "$d/memory.max") $(cat "$d/pids.max") $quota $period"
        return
    fi
    of() { awk -F: -v c="$1" '{n = split($2, a, ","); for (i = 1; i <= n; i++) if (a[i] == c) print "/sys/fs/cgroup/" c $3}' "/proc/$2/cgroup"; }
    cpu=$(of cpu "$1")
    echo "limits $2 $(cat "$(of memory "$1")/memory.limit_in_bytes") $(cat "$(of pids "$1")/pids.max") $(cat "$cpu/cpu.cfs_quota_us") $(cat "$cpu/cpu.cfs_period_us")"
}
ids=$(timeout -k 2 20 docker ps -q --filter label=io.torchrack.workload 2>/dev/null)
status=$?
[ -z "$ids" ] || timeout -k 2 20 docker inspect -f '{{.State.Pid}} {{slice .Name 1}}' $ids 2>/dev/null | {
    while read -r pid name; do
        limits "$pid" "$name" 2>/dev/null
        echo "gpus $name $(timeout -k 2 20 docker exec "$name" nvidia-smi -L 2>/dev/null | grep -c '^GPU ')" &
    done
    wait
}
echo "==rc $status"
