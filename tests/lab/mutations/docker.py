"""The daemon, its rules for packets, images and containers."""

from __future__ import annotations

from tests.lab.breaks.images import CONFIG, PULLED, TOOLS
from tests.lab.breaks.workloads import IMAGE, PID
from tests.lab.mutation import Mutation

_DROP_IN = "/etc/systemd/system/docker.service.d/mutation.conf"
_JSON = "/etc/docker/daemon.json"
_KEYS = "/etc/torchrack/workloads/shell"
_AGAIN = "systemctl daemon-reload; systemctl reset-failed docker; systemctl restart docker"


def _daemon(finding: str, options: str, *, host: str) -> Mutation:
    """Options in a drop-in of the unit, beside daemon.json, which stays as it is."""
    start = "$(systemctl show -P ExecStart docker | sed -n 's/.*argv\\[\\]=\\([^;]*\\) ;.*/\\1/p')"
    return Mutation(
        finding=finding,
        severity="outage" if "cdi" in finding else "security",
        harm=f"mkdir -p {_DROP_IN.rpartition('/')[0]}; printf '[Service]\\nExecStart=\\n"
        f'ExecStart=%s\\n\' "{start} {options}" > {_DROP_IN}; {_AGAIN}',
        batch="daemon",
        host=host,
        clean=f"rm {_DROP_IN}.disabled",
    )


def _redirect(port: int) -> str:
    rule = f"-p tcp -d 127.0.0.1 --dport {port} -j REDIRECT --to-ports 1{port}"
    return f"iptables -t nat -I OUTPUT {rule}"


def _limit(
    finding: str,
    option: str,
    *,
    batch: str = "units",
    host: str = "gpu01",
    also: tuple[str, ...] = (),
) -> Mutation:
    name = finding.partition(":")[2].partition(".")[0]
    return Mutation(
        finding=finding,
        severity="outage",
        harm=f"docker update {option} {name}",
        batch=batch,
        host=host,
        also=also,
    )


MUTATIONS = [
    _daemon("host.docker:seccomp", "--seccomp-profile=unconfined", host="gpu01"),
    _daemon("host.docker:cdi", "--cdi-spec-dir=/etc/cdi", host="gpu02"),
    Mutation(
        finding="host.docker:api.2375",
        severity="security",
        # The socket is taken over from systemd with the options of the unit.
        harm=f"sed -i 's, -H fd://, -H fd:// -H tcp://127.0.0.1:2375,' {_DROP_IN}; {_AGAIN}",
        batch="daemon",
        host="gpu02",
    ),
    # Somebody has to decide: a restart would hide what Docker has, or could not work.
    Mutation(
        finding="docker.docker-data",
        severity="outage",
        harm=f"cp -p {_JSON} /run/mutation.json; "
        f'sed -i \'1s,{{,{{"data-root": "/srv/elsewhere"\\,,\' {_JSON}',
        batch="gpus",
        also=("docker.unit:docker.service.restart",),
        mend=f"mv /run/mutation.json {_JSON}",
    ),
    Mutation(
        finding="docker.docker-flags",
        severity="outage",
        harm=f"mkdir -p {_DROP_IN.rpartition('/')[0]}; printf '[Service]\\nExecStart=\\n"
        f"ExecStart=/usr/sbin/dockerd -H fd:// --log-driver=local\\n' > {_DROP_IN}",
        batch="gpus",
        host="gpu02",
        mend=f"rm {_DROP_IN}",
    ),
    Mutation(
        finding="host.kernel:net.ipv4.ip_forward.value",
        severity="outage",
        harm="sysctl -q -w net.ipv4.ip_forward=0",
        batch="network",
        host="gpu02",
    ),
    Mutation(
        finding="host.firewall:docker0.icc",
        severity="security",
        harm="iptables -D FORWARD -i docker0 -o docker0 -j DROP",
        batch="network",
    ),
    Mutation(
        finding="host.firewall:nat.docker",
        severity="outage",
        harm="iptables -t nat -F",
        batch="network",
        host="gpu02",
        also=("host.container:notebook.port-8888",),
    ),
    Mutation(
        finding="host.firewall:port-8888.redirect",
        severity="security",
        # Somebody else's server in the place of Jupyter, for those who come through a tunnel.
        harm="mkdir -p /run/open/api && echo '{}' > /run/open/api/status; "
        "systemd-run -q --unit=open-jupyter -p WorkingDirectory=/run/open "
        f"python3 -m http.server --bind 127.0.0.1 18888; {_redirect(8888)}; "
        "timeout 20 sh -c 'until ss -Hltn | grep -q :18888; do sleep 0.1; done'",
        batch="system",
        clean="systemctl stop open-jupyter",
        also=("host.container:notebook.open",),
    ),
    Mutation(
        finding="host.firewall:port-2222.redirect",
        severity="security",
        harm="systemd-run -q --unit=open-sshd /usr/sbin/sshd -D -f /dev/null -p 12222 -o "
        "ListenAddress=127.0.0.1 -o HostKey=/etc/ssh/ssh_host_ed25519_key "
        f"-o PasswordAuthentication=yes -o PidFile=none; {_redirect(2222)}; "
        "timeout 20 sh -c 'until ss -Hltn | grep -q :12222; do sleep 0.1; done'",
        batch="system",
        clean="systemctl stop open-sshd",
        also=("host.container:shell.host-key", "host.container:shell.logins"),
    ),
    Mutation(
        finding="host.container:notebook.login",
        severity="outage",
        # In the container's own network, which goes with it; its health check still gets through.
        harm=f"nsenter -t {PID} -n iptables -I INPUT ! -i lo -p tcp --dport 8888 -j REJECT "
        "--reject-with tcp-reset",
        batch="access",
        host="gpu02",
    ),
    _limit(
        "workloads.container:notebook.memory-is-declared-is",
        "--memory 3g --memory-swap 3g",
    ),
    _limit("workloads.container:shell.pids-is-declared-is", "--pids-limit 77"),
    _limit(
        "workloads.container:notebook.cpus-is-declared-is",
        "--cpus 0.5",
        batch="system",
        host="gpu02",
    ),
    Mutation(
        finding="workloads.container:rogue.declared",
        severity="outage",
        harm=f"docker create --name rogue --label io.torchrack.workload=rogue --privileged {IMAGE}",
        batch="units",
        host="gpu02",
    ),
    Mutation(
        finding="workloads.container:notebook.networks-is-*",
        severity="outage",
        harm="docker network connect bridge notebook",
        batch="units",
        host="gpu02",
    ),
    Mutation(
        finding="workloads.container:shell.its-container-is-paused",
        severity="outage",
        harm="docker pause shell",
        batch="daemon",
    ),
    Mutation(
        finding="host.container:notebook.memory",
        severity="capacity",
        # Past Docker, whose record stays.
        harm=f"""v2=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/{PID}/cgroup)/memory.max
v1=/sys/fs/cgroup/memory$(sed -n 's/.*:memory://p' /proc/{PID}/cgroup)/memory.limit_in_bytes
[ -e $v2 ] || v2=$v1
echo 1073741824 > $v2""",
        batch="daemon",
        host="gpu02",
    ),
    Mutation(
        finding="host.container:notebook.gpus",
        severity="outage",
        harm=f"nsenter -t {PID} -m rm -f /dev/nvidia0",
        batch="daemon",
    ),
    Mutation(
        finding="host.container:notebook.shm",
        severity="capacity",
        harm=f"nsenter -t {PID} -m mount -o remount,size=64m /dev/shm",
        batch="system",
    ),
    Mutation(
        finding="host.container:shell.ulimit-nofile",
        severity="capacity",
        harm="docker exec shell prlimit --pid 1 --nofile=1024:16384",
        batch="system",
    ),
    Mutation(
        finding="host.container:shell.mount-/run/torchrack/ssh",
        severity="outage",
        # Another directory in its place: the container keeps the one that it started with.
        harm=f"cp -a {_KEYS} {_KEYS}.new; mv {_KEYS} {_KEYS}.old; mv {_KEYS}.new {_KEYS}",
        batch="access",
        clean=f"rm -rf {_KEYS}.old",
    ),
    Mutation(
        finding="images.image:*/tools.digest",
        severity="outage",
        harm=TOOLS + "docker image rm $tagged",
        batch="access",
    ),
    Mutation(
        finding="images.image:*/tools:1.0.tag",
        severity="outage",
        harm=TOOLS + "docker tag $(docker image ls --format '{{.ID}}' '*/*/pytorch' | head -n 1) "
        "$tagged",
        batch="access",
        host="gpu02",
    ),
    Mutation(
        finding="images.image:*.unused",
        severity="outage",
        harm=TOOLS + "name=${pinned%@*}; "
        f"docker --config {CONFIG} pull -q $name:1.1; "
        "docker image inspect -f '{{index .RepoDigests 0}}' $name:1.1 >> " + PULLED,
        batch="system",
        host="gpu02",
    ),
    Mutation(
        finding="host.disk:/boot.bytes",
        severity="capacity",
        harm="mount -t tmpfs -o size=1m tmpfs /boot; cat /dev/zero > /boot/filler || true",
        batch="daemon",
        mend="umount /boot",
    ),
]
