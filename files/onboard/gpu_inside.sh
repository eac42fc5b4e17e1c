# In the container: nvidia-smi, then the program of the first argument with the image's own Python.
limit=
! command -v timeout >/dev/null || limit="timeout 60"
echo ==smi
$limit nvidia-smi --query-gpu=FIELDS --format=csv 2>&1
echo "==rc $?"
echo ==mig
$limit nvidia-smi -L 2>/dev/null | grep -c '^  MIG '
echo ==torch
for python in python python3; do
    if command -v $python >/dev/null; then
        $python -c "$1"
        echo "==rc $?"
        exit 0
    fi
done
echo "==rc 127"
