"""Name servers that a server behind the bridge can reach."""

from lab import resolver


def test_a_real_name_server_is_kept_with_its_options() -> None:
    text = "# made by hand\nsearch lab.example\nnameserver 192.0.2.53\noptions edns0\n"
    expected = "search lab.example\nnameserver 192.0.2.53\noptions edns0\n"
    assert resolver.usable(text) == expected


def test_loopback_and_link_local_ones_are_left_out() -> None:
    text = "nameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver 2001:db8::53\n"
    assert resolver.usable(text) == "nameserver 2001:db8::53\n"


def test_none_is_left() -> None:
    assert resolver.usable("nameserver 127.0.0.53\noptions edns0\n") is None
    assert resolver.usable("") is None


def test_hosts_entries_name_each_mirror_once() -> None:
    uris = ["http://localhost/debian/", "http://localhost/debian-security/"]
    assert resolver.hosts_entries(uris) == "127.0.0.1 localhost\n"
