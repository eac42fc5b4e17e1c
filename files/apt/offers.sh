# Which versions of packages this host's apt can have, as root. It changes nothing: our repositories, which
# may not be set up here yet, are fetched into a folder of our own that goes at the end.
# Python puts assignments and functions before this text (torchrack/apt/offers.py):
#   ours            packages that our repositories have (and pinning packages, by their prefix)
#   theirs          packages that the host's own sources have; may be empty
#   prefix          prefix of further package names in our repositories
#   extra_cas       PEM certificates that the fleet trusts beside the system's; may be empty
#   write_sources   writes NAME.sources and NAME.asc of each repository into the folder $1
# Lines "fetch NAME STATUS WORDS" tell how fetching a repository went; "ours" and "theirs" begin apt's answers.
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
dir=$(mktemp -d -p /run torchrack-offers.XXXXXX) || { echo "no folder could be made in /run" >&2; exit 1; }
trap 'rm -rf -- "$dir"' EXIT
trap 'exit 1' HUP INT TERM PIPE
mkdir -p "$dir/ours" "$dir/lists/partial" "$dir/theirs" "$dir/own/partial" "$dir/cache/archives/partial"
printf '%s\n' "$extra_cas" | cat /etc/ssl/certs/ca-certificates.crt - >"$dir/cas" 2>/dev/null
write_sources "$dir/ours"

# update SOURCES LISTS: fetch package lists there; apt's words are its answer.
update() {
    timeout -k 5 120 apt-get -q -y update -o Debug::NoLocking=true -o APT::Sandbox::User=root \
        -o APT::Update::Error-Mode=any -o APT::Get::List-Cleanup=0 -o Acquire::Retries=1 \
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false \
        -o Acquire::https::CaInfo="$dir/cas" -o Dir::Cache="$dir/cache" \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Dir::State::lists="$2" \
        -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$1" 2>&1
}
for source in "$dir"/ours/*.sources; do
    name=$(basename "$source" .sources)
    (
        mkdir -p "$dir/only-$name"
        cp "$source" "$dir/only-$name/"
        said=$(update "$dir/only-$name" "$dir/lists")
        echo "fetch $name $? $(printf %s "$said" | grep -E '^[EW]:' | tr '\n\t' '  ')"
    ) &
done
wait
# ask SOURCELIST SOURCES LISTS COMMAND...
ask() {
    list=$1 parts=$2 lists=$3
    shift 3
    apt-cache -o Dir::Etc::sourcelist="$list" -o Dir::Etc::sourceparts="$parts" -o Dir::State::lists="$lists" \
        -o Dir::State::status=/dev/null -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@" 2>/dev/null
}
echo ours
ask /dev/null "$dir/ours" "$dir/lists" madison $ours \
    $(ask /dev/null "$dir/ours" "$dir/lists" pkgnames "$prefix")
if [ -n "$theirs" ]; then
    for f in /etc/apt/sources.list.d/*; do
        case $f in */torchrack-*) ;; *) [ ! -f "$f" ] || cp "$f" "$dir/theirs/" ;; esac
    done
    found=$(ask /etc/apt/sources.list "$dir/theirs" /var/lib/apt/lists madison $theirs)
    if [ -z "$found" ]; then
        [ ! -f /etc/apt/sources.list ] || cp /etc/apt/sources.list "$dir/theirs/own.list"
        said=$(update "$dir/theirs" "$dir/own")
        echo "fetch distribution $? $(printf %s "$said" | grep -E '^[EW]:' | tr '\n\t' '  ')"
        found=$(ask /dev/null "$dir/theirs" "$dir/own" madison $theirs)
    fi
    echo theirs
    printf '%s\n' "$found"
fi
echo end
