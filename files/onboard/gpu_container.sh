# One short-lived container of a pinned image with all GPUs: nvidia-smi and PyTorch in it.
# The client's end does not end a container: it is removed by its name, whatever happened.
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset $(env | sed -n 's/^\(DOCKER_[A-Za-z0-9_]*\)=.*/\1/p'); export DOCKER_HOST=unix:///var/run/docker.sock DOCKER_CONFIG=/etc/torchrack/docker
cleanup() { timeout -k 2 60 docker rm --force "$name" >/dev/null 2>&1; }
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
timeout -k 5 "$seconds" docker run --rm --name "$name" --label io.torchrack.check=gpus --pull never \
    --device nvidia.com/gpu=all --network none --user "$user" --cap-drop ALL \
    --security-opt no-new-privileges --memory 16g --memory-swap 16g --pids-limit 4096 \
    --shm-size 256m --workdir / --env HOME=/tmp --env USER=torchrack --env LOGNAME=torchrack \
    --entrypoint sh "$image" -c "$inside" sh "$program"
echo "==ended $?"
