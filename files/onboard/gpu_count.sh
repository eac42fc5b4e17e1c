# GPUs as the host has them, and what its images say of themselves. It changes nothing.
# Sections start with "==NAME"; "==rc STATUS" ends what nvidia-smi said.
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset $(env | sed -n 's/^\(DOCKER_[A-Za-z0-9_]*\)=.*/\1/p'); export DOCKER_HOST=unix:///var/run/docker.sock DOCKER_CONFIG=/etc/torchrack/docker
echo ==pci
for d in /sys/bus/pci/devices/*; do
    read -r vendor <"$d/vendor" && read -r class <"$d/class" || continue
    case $vendor/$class in 0x10de/0x03*) echo "${d##*/}" ;; esac
done 2>/dev/null
echo ==smi
timeout -k 2 60 $smi_query 2>&1
echo "==rc $?"
echo ==images
tab=$(printf '\t')
printf '%s\n' "$images" | while IFS=$tab read -r name reference; do
    [ -z "$name" ] || echo "$name$tab$(timeout -k 2 30 docker image inspect --format '{{json .Config}}' "$reference" 2>/dev/null)"
done
echo ==end
