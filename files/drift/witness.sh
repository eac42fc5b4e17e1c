# What a host knows of who changed something, and when, in one go, as root. It changes nothing.
# Python puts in front (torchrack/drift/witness.py):
#   since    seconds since the epoch, before which nothing is of interest
#   units    names of units
#   and the paths of files as "$@"
# Sections start with "==NAME"; times are seconds since the epoch.
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo ==files
[ $# = 0 ] || stat -c '%Z %n' -- "$@" 2>/dev/null
echo ==units
for unit in $units; do
    at=$(systemctl show --timestamp=unix -P StateChangeTimestamp -- "$unit" 2>/dev/null)
    echo "${at#@} $unit"
done
echo ==zone
date +%z
echo ==apt
# zcat -f passes on what is not compressed.
zcat -f /var/log/apt/history.log.1.gz /var/log/apt/history.log 2>/dev/null | tail -n 2000 | cut -c1-20000
echo ==log
journalctl -q --no-pager -o short-unix -t sudo -t su -t sshd -t sshd-session --since "@$since" 2>/dev/null |
    grep -E 'COMMAND=|session (opened|closed) for user|Accepted ' | cut -c1-2000 | tail -n 3000
