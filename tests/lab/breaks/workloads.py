"""Ways to break what tests/state/test_workload*.py assert.

They are written for the lab's gpu01: a Jupyter named notebook, an SSH server named shell.
"""

from tests.lab.breakage import Break

PID = "$(docker inspect -f '{{.State.Pid}}' notebook)"
IMAGE = "$(docker inspect -f '{{.Config.Image}}' notebook)"
SECRETS = "/etc/torchrack/workloads"
# Restarts count against the unit's start limit, however they come about.
RESTART = "systemctl reset-failed torchrack-notebook; systemctl restart torchrack-notebook"


def _state(test: str, harm: str, undo: str, *, batch: int = 1, after: str = "") -> Break:
    return Break(f"test_workloads.py::{test}", harm, undo, batch=batch, after=after)


def _login(test: str, harm: str, undo: str, *, batch: int = 1, after: str = "") -> Break:
    return Break(f"test_workload_logins.py::{test}", harm, undo, batch=batch, after=after)


def _limit(test: str, wrong: str, right: str) -> Break:
    return _state(test, f"docker update {wrong} notebook", f"docker update {right} notebook")


# A generator runs at each daemon-reload; this one takes a GPU away, as the legacy hook's loss does.
_GENERATOR = "/etc/systemd/system-generators/lose-gpu"
_LOSE_GPU = f"""mkdir -p /etc/systemd/system-generators
printf '#!/bin/sh\\nnsenter -t %s -m rm -f /dev/nvidia0\\n' {PID} > {_GENERATOR}
chmod 755 {_GENERATOR}"""

# Somebody else's server in the place of the workload's, for those who come through a tunnel.
_OPEN_JUPYTER = """mkdir -p /run/open/api && echo '{}' > /run/open/api/status
systemd-run -q --unit=open-jupyter -p WorkingDirectory=/run/open \\
    python3 -m http.server --bind 127.0.0.1 18888
iptables -t nat -I OUTPUT -p tcp -d 127.0.0.1 --dport 8888 -j REDIRECT --to-ports 18888"""
_CLOSED_JUPYTER = """iptables -t nat -D OUTPUT -p tcp -d 127.0.0.1 --dport 8888 \\
    -j REDIRECT --to-ports 18888
systemctl stop open-jupyter; rm -rf /run/open"""
_OPEN_SSHD = """systemd-run -q --unit=open-sshd /usr/sbin/sshd -D -f /dev/null -p 12222 \\
    -o HostKey=/etc/ssh/ssh_host_ed25519_key -o PasswordAuthentication=yes -o PidFile=none
iptables -t nat -I OUTPUT -p tcp -d 127.0.0.1 --dport 2222 -j REDIRECT --to-ports 12222"""
_CLOSED_SSHD = """iptables -t nat -D OUTPUT -p tcp -d 127.0.0.1 --dport 2222 \\
    -j REDIRECT --to-ports 12222
systemctl stop open-sshd"""

BREAKS = [
    Break(
        test="test_workload_training.py::test_torch_trains",
        harm="docker exec -u 0 notebook chmod 000 /usr/local/bin/torchrack-train-step",
        undo="docker exec -u 0 notebook chmod 755 /usr/local/bin/torchrack-train-step",
    ),
    _state(
        "test_units_are_active",
        "systemctl stop torchrack-shell",
        "systemctl start torchrack-shell",
        batch=6,
    ),
    _state(
        "test_units_start_at_boot",
        "systemctl disable torchrack-shell",
        "systemctl enable torchrack-shell",
    ),
    _state("test_containers_are_healthy", "docker pause shell", "docker unpause shell", batch=3),
    _state(
        "test_containers_are_as_declared",
        "docker network connect bridge notebook",
        "docker network disconnect bridge notebook",
        batch=2,
    ),
    _state(
        "test_nothing_undeclared_runs",
        f"docker create --name rogue --label io.torchrack.workload=rogue {IMAGE}",
        "docker rm -f rogue",
    ),
    _state(
        "test_nothing_is_privileged",
        f"docker create --name rogue --label io.torchrack.workload=rogue --privileged {IMAGE}",
        "docker rm -f rogue",
        batch=2,
    ),
    _limit(
        "test_memory_is_limited",
        "--memory 1g --memory-swap 1g",
        "--memory 2g --memory-swap 2g",
    ),
    _limit("test_cpus_are_limited", "--cpus 0.5", "--cpus 1"),
    _limit("test_processes_are_limited", "--pids-limit 1000", "--pids-limit 4096"),
    _state(
        "test_shared_memory_has_its_size",
        f"nsenter -t {PID} -m mount -o remount,size=64m /dev/shm",
        f"nsenter -t {PID} -m mount -o remount,size=256m /dev/shm",
    ),
    _state(
        "test_ulimits_are_set",
        "docker exec notebook prlimit --pid 1 --nofile=1024:16384",
        "docker exec notebook prlimit --pid 1 --nofile=16384:16384",
    ),
    _state(
        "test_runs_as_the_declared_user",
        """docker rename notebook notebook.kept
docker run -d --name notebook --label io.torchrack.workload=notebook --user 65534:65534 \\
    --entrypoint sleep $(docker inspect -f '{{.Config.Image}}' notebook.kept) 600""",
        "docker rm -f notebook; docker rename notebook.kept notebook",
        batch=4,
    ),
    _state(
        "test_ports_listen_where_declared",
        "systemd-run -q --unit=leak python3 -m http.server --bind 127.0.0.2 8888; "
        "timeout 10 sh -c 'until ss -Hltn | grep -q 127.0.0.2:8888; do sleep 0.1; done'",
        "systemctl stop leak",
    ),
    _state(
        "test_gpus_are_visible",
        f"nsenter -t {PID} -m rm /dev/nvidia0",
        "true",
        batch=2,
        after=RESTART,
    ),
    _state(
        "test_gpus_survive_daemon_reload",
        _LOSE_GPU,
        f"rm {_GENERATOR}",
        batch=3,
        after=RESTART,
    ),
    _login(
        "test_jupyter_answers_with_the_token",
        f"cd {SECRETS}/notebook && mv jupyter_token /root/token.kept && "
        "install -o 1000 -g 1000 -m 400 /proc/sys/kernel/random/uuid jupyter_token",
        # A token that is newer than Jupyter's start asks for a restart.
        f"mv /root/token.kept {SECRETS}/notebook/jupyter_token",
        after=RESTART,
    ),
    _login("test_jupyter_refuses_without_the_token", _OPEN_JUPYTER, _CLOSED_JUPYTER, batch=5),
    _login(
        "test_tokens_are_private",
        f"chmod 0444 {SECRETS}/notebook/jupyter_token",
        f"chmod 0400 {SECRETS}/notebook/jupyter_token",
        batch=2,
        after=RESTART,
    ),
    _login(
        "test_ssh_login_by_key",
        f"chmod 0666 {SECRETS}/shell/authorized_keys",
        f"chmod 0644 {SECRETS}/shell/authorized_keys",
    ),
    _login("test_ssh_offers_keys_alone", _OPEN_SSHD, _CLOSED_SSHD, batch=5),
]
