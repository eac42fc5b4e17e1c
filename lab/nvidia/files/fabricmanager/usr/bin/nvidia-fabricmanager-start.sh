#!/bin/sh
# Starts and stops nv-fabricmanager, as NVIDIA's script of this name does.
mode= config= pid_file=
while [ $# -gt 0 ]; do
    case "$1" in
        --mode) mode=$2 ;;
        --fm-config-file) config=$2 ;;
        --fm-pid-file) pid_file=$2 ;;
    esac
    shift 2
done
if [ "$mode" = stop ]; then
    kill "$(cat "$pid_file")"
    exit
fi
echo "Detected Pre-NVL5 system"
/usr/bin/nv-fabricmanager -c "$config" -p "$pid_file"
status=$?
if [ "$status" -ne 0 ]; then
    echo "\"/usr/bin/nv-fabricmanager -c $config\" failed! Exit code: $status"
    exit "$status"
fi
