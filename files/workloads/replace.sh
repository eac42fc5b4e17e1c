# Puts a workload's new container in the place of the old one, which comes back where that fails.
#
#   swap      stop NAME, prove NAME.next, rename both, start the unit
#   recover   after "swap" was killed: bring the old container back
#
# systemd runs it as a unit of its own, so that a lost connection does not end it half-way. NAME is
# the old container until NAME.next is proven: after a power failure the host starts the old one.
# Python puts assignments before this text (torchrack/workloads/replacement.py):
#   name            the workload
#   label           the label of its containers
#   supervisor      the program that owns containers for systemd
#   start_timeout   seconds until the new container must be healthy
#   stop_timeout    seconds between SIGTERM and SIGKILL
#   settle          seconds that a container without a health check must run
#   job             "job" for a container that may end by itself, or empty
#   unit_text       what the unit's file is to hold
# The last lines for people are written to RUN/NAME.result.
set -u
unset $(env | sed -n 's/^\(DOCKER_[A-Za-z0-9_]*\)=.*/\1/p'); export DOCKER_HOST=unix:///var/run/docker.sock DOCKER_CONFIG=/etc/torchrack/docker

RUN=/run/torchrack/workloads
STATE=/var/lib/torchrack/workloads
unit=torchrack-$name.service
unit_file=/etc/systemd/system/$unit
new=$name.next
old=$name.previous
pending=$RUN/$name.replacing # what there was before: "running", "stopped" or "nothing"

show() { timeout -k 5 60 docker container inspect --format "$2" "$1" 2>/dev/null; }
exists() { [ "$(show "$1" "{{index .Config.Labels \"$label\"}}")" = "$name" ]; } # and is ours
unit_is() { systemctl show --property="$1" --value "$unit"; }
stop_unit() { [ "$(unit_is LoadState)" != loaded ] || systemctl stop "$unit"; }
put_unit() {
    cat >"$unit_file.tmp" && chmod 0644 "$unit_file.tmp" && mv -fT -- "$unit_file.tmp" "$unit_file"
}
start_unit() {
    systemctl reset-failed "$unit" 2>/dev/null
    systemctl start "$unit"
}

before() {
    if ! exists "$name"; then
        echo nothing
        return
    fi
    case "$(unit_is ActiveState) $(show "$name" '{{.State.Status}}')" in
    active* | activating* | reloading* | *" running") echo running ;;
    *) echo stopped ;;
    esac
}

rollback() {
    was=$(cat "$pending")
    if [ "$was" = nothing ] || exists "$old"; then # NAME, if there is one, is the new container
        stop_unit
        ! exists "$name" || docker rm -f "$name" >/dev/null
        ! exists "$old" || docker rename "$old" "$name"
    fi
    ! exists "$new" || docker rm -f "$new" >/dev/null
    if [ -e "$RUN/$unit.before" ]; then
        put_unit <"$RUN/$unit.before"
    elif [ "$was" = nothing ]; then
        systemctl disable --quiet "$unit" 2>/dev/null
        rm -f -- "$unit_file"
    fi
    systemctl daemon-reload
    case $was in
    nothing) again="it was removed" ;;
    stopped) again="the old one, which did not run, is back in its place" ;;
    *)
        again="the old one runs again"
        start_unit || again="the old one did not start either, see systemctl status $unit"
        ;;
    esac
    rm -f -- "$pending"
}

# The reason's first line goes into the sentence, where a summary shows it; three more precede it.
fail() {
    words=$(printf '%s\n' "$1" | sed -e "s/^workload $new: //" -e 's/^Error response from daemon: //' \
        -e '/^Error: failed to start containers/d' -e 's/; its last lines:$//' -e '/^$/d')
    printf '%s\n' "$words" >&2
    rollback
    {
        printf '%s\n' "$words" | sed 1d | tail -n 3
        echo "$name: the new container did not start: $(printf '%s\n' "$words" | head -n 1); $again."
        echo "What to do: correct the cause, then run again; journalctl -u torchrack-replace@$name"
    } | tee "$RUN/$name.result" >&2
    exit 1
}

prove() {
    words=$(docker start "$new" 2>&1 >/dev/null) || fail "$words"
    words=$("$supervisor" gate "$new" "$start_timeout" ${job:+"$job"} 2>&1) || fail "$words"
    # Without a health check the gate knows only that the container was started.
    [ -n "$(show "$new" '{{with .State.Health}}{{.Status}}{{end}}')" ] ||
        timeout "$settle" docker wait "$new" >/dev/null
    state=$(show "$new" '{{.State.Status}} {{.State.ExitCode}}')
    case "$state $job" in
    "running "* | "exited 0 job") ;;
    *) fail "ended right after its start with status ${state#* }; its last lines:
$(docker logs --tail 20 "$new" 2>&1)" ;;
    esac
}

swap() {
    rm -f -- "$RUN/$unit.before"
    [ ! -e "$unit_file" ] || cp -- "$unit_file" "$RUN/$unit.before"
    before >"$pending"
    stop_unit
    ! exists "$name" || words=$(docker stop -t "$stop_timeout" "$name" 2>&1) || fail "$words"
    prove
    ! exists "$name" || words=$(docker rename "$name" "$old" 2>&1) || fail "$words"
    words=$(docker rename "$new" "$name" 2>&1) || fail "$words"
    printf %s "$unit_text" | put_unit || fail "$unit_file can't be written"
    systemctl daemon-reload
    words=$(systemctl enable --quiet "$unit" 2>&1) || fail "$words"
    if [ "$(show "$name" '{{.State.Status}} {{.State.ExitCode}}') $job" = "exited 0 job" ]; then
        mkdir -p "$STATE" && show "$name" '{{.Id}}' >"$STATE/.$name.completed" &&
            mv -fT -- "$STATE/.$name.completed" "$STATE/$name.completed"
    else
        words=$(start_unit 2>&1) || fail "its unit failed: $(journalctl -u "$unit" -n 5 --no-pager -o cat)"
    fi
    rm -f -- "$pending"
    ! exists "$old" || docker rm -f "$old" >/dev/null
}

recover() {
    [ -e "$pending" ] || return 0
    rollback
    echo "$name: the replacement was interrupted; $again."
}

"$1"
