"""dockerd's flags, by the keys of daemon.json that they stand for. Pure.

dockerd does not start when a key is set by a flag and in the file, even to the same value (moby,
daemon/config/config.go, findConfigurationConflicts; the flags: daemon/command/config.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torchrack.docker.daemon_json import Json

_LONG = {
    **{"b": "bridge", "D": "debug", "G": "group", "H": "host", "g": "graph", "l": "log-level"},
    **{"p": "pidfile", "s": "storage-driver", "v": "version", "h": "help"},
}
_KEYS = {
    "add-runtime": "runtimes",
    "authorization-plugin": "authorization-plugins",
    "cdi-spec-dir": "cdi-spec-dirs",
    "cluster-store-opt": "cluster-store-opts",
    "default-address-pool": "default-address-pools",
    "default-network-opt": "default-network-opts",
    "default-ulimit": "default-ulimits",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "feature": "features",
    "graph": "data-root",
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "log-opt": "log-opts",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
"""Flags whose key has another name: opts.NamedOption in moby, and the old name of data-root."""
_SWITCHES = frozenset(
    {
        *("api-enable-cors", "cri-containerd", "debug", "disable-legacy-registry", "experimental"),
        *("help", "icc", "init", "ip-forward", "ip-masq", "ip6tables", "iptables", "ipv6"),
        *("live-restore", "no-new-privileges", "raw-logs", "rootless", "selinux-enabled", "tls"),
        *("tlsverify", "userland-proxy", "validate", "version", "bridge-accept-fwmark"),
        *("allow-direct-routing", "ip-forward-no-drop"),
    }
)
"""Flags that take no word after them."""
_WHOLE = frozenset(
    {
        *("builder", "cluster-store-opts", "default-network-opts", "default-ulimits", "features"),
        *("log-opts", "runtimes"),
    }
)
"""Objects that are one option; dockerd takes the keys of any other object for options."""
_MERGED = frozenset({"runtimes"})
"""Keys that may be in both places."""


@dataclass(frozen=True)
class Flag:
    """A flag that dockerd is started with.

    Args:
        key: the key of daemon.json that it stands for.
        value: its value as text; "true" of a switch.
        text: the flag as it is written, without its value.
        where: the file that sets it, or what is known of that.
    """

    key: str
    value: str
    text: str
    where: str


def parse(words: Iterable[tuple[str, str]]) -> tuple[Flag, ...]:
    """Return the flags of a command line, as pflag reads them.

    Args:
        words: the words after the program, each with where it is set.
    """
    return tuple(_flags(iter(words)))


def _flags(words: Iterator[tuple[str, str]]) -> Iterator[Flag]:
    for word, where in words:
        if word == "--":
            return
        if word.startswith("--"):
            text, equals, value = word.partition("=")
            name = text.removeprefix("--")
            if not equals:
                value = "true" if name in _SWITCHES else next(words, ("", ""))[0]
            yield Flag(_KEYS.get(name, name), value, text, where)
        elif word.startswith("-") and len(word) > 1:
            yield from _short(word[1:], where, words)


def _short(letters: str, where: str, words: Iterator[tuple[str, str]]) -> Iterator[Flag]:
    """Yield the flags of ``-DH fd://``, ``-Hfd://`` or ``-H=fd://``."""
    while letters:
        letter, letters = letters[0], letters[1:]
        name = _LONG.get(letter, letter)
        if name in _SWITCHES:
            value, letters = ("true", letters) if letters[:1] != "=" else (letters[1:], "")
        else:
            value, letters = letters.removeprefix("=") or next(words, ("", ""))[0], ""
        yield Flag(_KEYS.get(name, name), value, f"-{letter}", where)


def repeated(flags: Iterable[Flag], config: Json) -> dict[Flag, str]:
    """Return the flags that a key of daemon.json repeats, with that key as it is in the file.

    Args:
        flags: those that dockerd is started with.
        config: what the file holds, or will hold.
    """
    keys = dict(_options(config))
    return {flag: keys[flag.key] for flag in flags if flag.key in keys and flag.key not in _MERGED}


def _options(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and key not in _WHOLE:
            yield from ((inner, f"{key}.{inner}") for inner in value)
        else:
            yield "data-root" if key == "graph" else key, key


def as_config(flags: Iterable[Flag]) -> Json:
    """Return what the flags say, in the shape of daemon.json.

    Lists of lists, as of ``--default-address-pool``, are left as text.
    """
    found: Json = {}
    for flag in flags:
        if flag.text.removeprefix("--") in _SWITCHES or flag.text == "-D":
            found[flag.key] = flag.value.lower() in ("true", "t", "1")
        elif flag.key in ("log-opts", "features"):
            name, _, value = flag.value.partition("=")
            whole = found.setdefault(flag.key, {})
            whole[name] = value != "false" if flag.key == "features" else value
        elif flag.key == "default-ulimits":
            found.setdefault(flag.key, {}).update(_ulimit(flag.value))
        elif flag.key in _KEYS.values() and flag.key != "data-root":
            found.setdefault(flag.key, []).append(flag.value)
        else:
            found[flag.key] = flag.value
    return found


def _ulimit(text: str) -> Json:
    """``nofile=1024:2048`` as daemon.json has it; without a second number both are the first."""
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    try:
        return {name: {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}}
    except ValueError:
        return {}
