# Prints the folder with what daemon.json was before a change after which Docker has not run yet.
changing() {
    marker=$(ls -td "$1"/*/changing 2>/dev/null | head -n 1)
    [ -n "$marker" ] || return 0
    ran=$(systemctl show -p ActiveEnterTimestampMonotonic docker.service 2>/dev/null)
    ran=${ran#*=}
    booted=$(($(date +%s) - $(cut -d. -f1 /proc/uptime)))
    [ "$((booted + ${ran:-0} / 1000000))" -gt "$(stat -c %Y "$marker")" ] || echo "${marker%/changing}"
}
