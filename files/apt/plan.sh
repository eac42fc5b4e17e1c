# What apt would do to install packages, and what has to be known to judge that. It changes nothing.
# Python puts assignments before this text (torchrack/facts/apt_plan.py):
#   packages    what to tell apt
#   options     apt's options
#   pinning     NVIDIA's pinning package with its version, whose preferences count as if it were installed; or empty
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
if [ -n "$pinning" ]; then
    dir=$(mktemp -d -p /run torchrack-plan.XXXXXX) || exit 1
    trap 'rm -rf -- "$dir"' EXIT
    trap 'exit 1' HUP INT TERM PIPE
    mkdir "$dir/preferences.d" "$dir/pin"
    for f in /etc/apt/preferences.d/*; do
        case $f in */nvidia-driver-pinning*) ;; *) [ ! -f "$f" ] || cp "$f" "$dir/preferences.d/" ;; esac
    done
    (cd "$dir" && timeout -k 5 60 apt-get -q download -o APT::Sandbox::User=root "$pinning" && dpkg-deb -x ./*.deb pin) \
        >/dev/null 2>&1
    cp "$dir"/pin/etc/apt/preferences.d/* "$dir/preferences.d/" 2>/dev/null
    options="$options -o Dir::Etc::preferencesparts=$dir/preferences.d"
fi
plan=$(timeout -k 5 120 apt-get --simulate -q -y -o Debug::NoLocking=true $options install $packages 2>&1)
printf '%s\n' "$plan"
coming=$(printf '%s\n' "$plan" | sed -nE 's/^Inst ([^ :]+)[^(]*\(([^ ]+) .*/\1=\2/p')
echo ==show
# Out of the indexes themselves: for repositories without translations, as NVIDIA's, apt-cache shows the description
# of another version.
if [ -n "$coming" ]; then
    apt-get indextargets --no-release-info --format '$(FILENAME)' 'Created-By: Packages' 2>/dev/null |
        while read -r index; do
            ! ls "$index"* >/dev/null 2>&1 || /usr/lib/apt/apt-helper cat-file "$index" 2>/dev/null
        done |
        awk -v coming="$(printf '%s\n' "$coming" | tr '\n' ' ')" '
            BEGIN {RS = ""; FS = "\n"; count = split(coming, list, " "); for (i = 1; i <= count; i++) wanted[list[i]] = 1}
            {
                package = version = text = ""
                for (i = 1; i <= NF; i++) {
                    if ($i ~ /^Package: /) package = substr($i, 10)
                    else if ($i ~ /^Version: /) version = substr($i, 10)
                    else if ($i ~ /^(Section|Description): /) text = text $i "\n"
                }
                if ((package "=" version) in wanted) printf "Package: %s\n%s", package, text
            }'
fi
echo ==madison
[ -z "$coming" ] || apt-cache madison $(printf '%s\n' $coming | cut -d= -f1) 2>/dev/null
echo ==headers
for build in /lib/modules/*/build; do
    [ ! -e "$build" ] || basename "$(dirname "$build")"
done
