# What a path of the host lies on. Part of scripts that run as root; paths are written as in
# /proc/self/mountinfo: \040 for a space.
escaped() { printf '%s\n' "$1" | sed 's/\\/\\134/g; s/\t/\\011/g; s/ /\\040/g'; }

# Mount points of /etc/fstab and of systemd's own units, whether they are mounted or not.
declared_mounts() {
    {
        awk '$1 !~ /^#/ && $2 ~ /^\/./ {print $2}' /etc/fstab
        cat /etc/systemd/system/*.mount /run/systemd/generator*/*.mount |
            sed -n 's/%%/%/g; s/\\/\\134/g; s/ /\\040/g; s/^Where=\(\/.\)/\1/p'
    } 2>/dev/null | sed 's|/*$||' | sort -u
}

# Mount points that are mounted, with file system (MAJOR:MINOR) and path in it; autofs only waits.
mounted() {  # MOUNTINFO
    awk '{for (i = 7; i < NF; i++) if ($i == "-") break; if ($(i + 1) != "autofs") print $5, $3, $4}' "$1"
}

# Prints the declared mount point that a path lies on, where neither it nor one below it is mounted.
not_mounted() {  # PATH
    # A look sets an automount off. A share that hangs must not hang us.
    timeout -k 1 10 stat -- "$1/." >/dev/null 2>&1
    leads=$(timeout -k 1 10 readlink -m -- "$1" || printf '%s\n' "$1")
    {
        printf 'path %s\n' "$(escaped "$1")" "$(escaped "$leads")"
        declared_mounts | sed 's/^/declared /'
        mounted /proc/self/mountinfo | sed 's/^/mounted /'
    } | awk '
        $1 == "path" {paths[$2]; next}
        {for (p in paths) if (index(p "/", $2 "/") == 1 && length($2) > length(deepest[p, $1])) deepest[p, $1] = $2}
        END {for (p in paths) if (length(deepest[p, "mounted"]) < length(deepest[p, "declared"])) print deepest[p, "declared"]}'
}
