"""A lab and its servers in words, for people and for programs."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from lab.state import Account, Host, Lab

_ACCOUNT = (("user", "user"), ("login", "login"), ("credential file", "credential_file"))


def host(name: str, server: Host, *, as_json: bool) -> None:
    """Print how to log in to a server."""
    data = {"name": name, **server.model_dump(mode="json")}
    data["credential_file"] = str(server.key_file or server.password_file)
    if as_json:
        print(json.dumps(data, indent=2))
        return
    for label, key in (
        ("address", "address"),
        *_ACCOUNT,
        ("host key", "host_key"),
        ("fingerprint", "host_key_sha256"),
    ):
        print(f"{label:16}{data[key]}")


def account(login: Account, *, as_json: bool) -> None:
    """Print how to log in with an account."""
    data = login.model_dump(mode="json")
    data["credential_file"] = str(login.key_file or login.password_file)
    if as_json:
        print(json.dumps(data, indent=2))
        return
    for label, key in _ACCOUNT:
        print(f"{label:16}{data[key]}")


def lab(state: Lab, running: dict[str, bool], serving: dict[str, bool], *, as_json: bool) -> None:
    """Print all servers and services with whether they run."""
    if as_json:
        print(json.dumps(_as_data(state, running, serving), indent=2))
        return
    table = Table("server", "power", "address", "user", "login", "system", "GPUs", box=None)
    for name, server in state.hosts.items():
        power = "[green]on[/green]" if running[name] else "[red]off[/red]"
        gpus = " + ".join(server.gpus) or "none"
        table.add_row(name, power, server.address, server.user, server.login, server.os, gpus)
    console = Console(highlight=False)
    console.print(table)
    if state.services_of is not None:
        console.print(f"services: those of the lab {state.services_of}")
    for name, runs in serving.items():
        where = _services(state)[name]
        power = "[green]on[/green]" if runs else "[red]off[/red]"
        console.print(f"{name}: {power}, {where or 'not made yet'}")
    console.print(f"directory: {state.directory}, network: {state.subnet} on {state.bridge}")


def _as_data(state: Lab, running: dict[str, bool], serving: dict[str, bool]) -> dict[str, Any]:
    data = state.model_dump(mode="json", by_alias=True)
    for name, server in data["hosts"].items():
        server["running"] = running[name]
    data["services"] = serving
    data["directory"] = str(state.directory)
    return data


def _services(state: Lab) -> dict[str, str | None]:
    return {
        "mirror": state.mirror.uri if state.mirror else None,
        "registry": state.registry.address if state.registry else None,
    }
