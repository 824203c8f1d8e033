"""Runs nodes of libtorrent's DHT, one session for each of 127.0.0.2, 127.0.0.3, …

    python libtorrent_dht.py <count>

Prints one line of JSON, ["127.0.0.2:port", …], and ends when its standard input closes.
"""

import json
import os
import socket
import sys
import time

import libtorrent

READY_WITHIN = 30.0


def free_port(host):
    """A port that is free for both TCP and UDP, or nearly surely so."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((host, 0))
        return udp.getsockname()[1]


def session(host, port):
    return libtorrent.session(
        {
            "listen_interfaces": f"{host}:{port}",
            "enable_dht": True,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "dht_bootstrap_nodes": "",
            # All nodes of a test network have nearly one address.
            "dht_restrict_routing_ips": False,
            "dht_restrict_search_ips": False,
            "dht_ignore_dark_internet": False,
            "dht_enforce_node_id": False,
            "dht_prefer_verified_node_ids": False,
            "dht_block_ratelimit": 10_000,
            "dht_upload_rate_limit": 10_000_000,
            "alert_mask": libtorrent.alert.category_t.dht_notification
            | libtorrent.alert.category_t.dht_operation_notification,
        }
    )


def table_sizes(sessions):
    """Nodes in each session's routing table."""
    for one in sessions:
        one.post_dht_stats()
    sizes = []
    for one in sessions:
        one.wait_for_alert(200)
        for alert in one.pop_alerts():
            if isinstance(alert, libtorrent.dht_stats_alert):
                sizes.append(sum(bucket["num_nodes"] for bucket in alert.routing_table))
    return sizes


def main():
    hosts = [f"127.0.0.{n + 2}" for n in range(int(sys.argv[1]))]
    places = [(host, free_port(host)) for host in hosts]
    sessions = [session(host, port) for host, port in places]
    begin = time.monotonic()
    while True:
        for n, one in enumerate(sessions):
            for m, place in enumerate(places):
                if n != m:
                    one.add_dht_node(place)
        sizes = table_sizes(sessions)
        # Half of the others is a network in which every look-up meets every value.
        if len(sizes) == len(sessions) and min(sizes) >= len(sessions) // 2:
            break
        if time.monotonic() - begin > READY_WITHIN:
            sys.exit(f"the libtorrent nodes did not meet: {sizes}")
        time.sleep(0.1)
    print(json.dumps([f"{host}:{port}" for host, port in places]), flush=True)
    sys.stdin.read()
    # Sessions end slowly one after another; nothing of theirs is kept.
    os._exit(0)


main()
