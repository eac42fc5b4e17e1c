# What docs/onboard.svg shows: a new fleet, and its first server. It wants a lab that is up, and no gpu07 in it:
#   script -qec 'sh docs/onboard.sh' /dev/null | sed "s#$PWD/##g; s#$HOME/#~/#g" |
#       python docs/picture.py onboard 'A new fleet and its first server'
set -e
repository=$(cd "$(dirname "$0")/.." && pwd)
export TORCHRACK_LAB="${TORCHRACK_LAB:-$repository/.lab}" PYTHONPATH="$repository" PATH="$repository/.venv/bin:$PATH"
export GIT_AUTHOR_NAME=Ann GIT_AUTHOR_EMAIL=ann@example.org GIT_COMMITTER_NAME=Ann GIT_COMMITTER_EMAIL=ann@example.org
stty cols 118 rows 100 2>/dev/null || true
key=$TORCHRACK_LAB/keys/id_ed25519
show() { printf '\033[1;32m$\033[0m \033[1m%s\033[0m\n' "$1"; }
run() { show "$(printf '%s' "$1" | sed "s#$TORCHRACK_LAB#.lab#g")"; eval "$1"; echo; }

cd "$HOME"
test ! -e mylab || { echo "$HOME/mylab is in the way" >&2; exit 1; }
run "torchrack init mylab --key $key --image none --yes"
cd mylab
python -m lab settings >group_data/all.py  # what the lab's network has, in the place of a person's own settings
unset PYTHONPATH
PATH=$PWD/.venv/bin:$PATH
show "make deps"
make --silent deps 2>/dev/null  # pip tells of the machine's own package sources
echo
run "torchrack doctor inventories/mylab.py"
cd "$repository"
show "python -m lab new gpu07 --newcomer --gpus h200:2"
python -m lab new gpu07 --newcomer --gpus h200:2 2>&1
echo
login=$(python -m lab status --json | python -c "
import json, sys
host = json.load(sys.stdin)['hosts']['gpu07']
print('--address', host['address'], '--user', host['user'], '--host-key', host['host_key_sha256'])")
cd "$HOME/mylab"
run "torchrack onboard inventories/mylab.py --name gpu07 $login --key $key --yes"
run 'git add -A && git commit -qm "Add gpu07" && cat inventories/mylab.hosts.yml'
run "torchrack drift inventories/mylab.py"
