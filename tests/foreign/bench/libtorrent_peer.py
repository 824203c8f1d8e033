"""A libtorrent client with its default settings, on loopback alone.

libtorrent_peer.py seed|fetch plain|encrypted TORRENT FOLDER [SEEDER'S PORT]
Says "port N" when it listens and, fetching, "done" when every piece is here and written; then it stays until it is killed.
"""

import sys
import time

import libtorrent as lt

what, how, torrent, folder = sys.argv[1:5]
settings = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "allow_multiple_connections_per_ip": True,
    "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.storage_notification,
}
if how == "encrypted":
    settings["in_enc_policy"] = settings["out_enc_policy"] = int(lt.enc_policy.forced)
    settings["allowed_enc_level"] = int(lt.enc_level.rc4)
session = lt.session(settings)
params = lt.add_torrent_params()
params.ti = lt.torrent_info(torrent)
params.save_path = folder
# No tracker, no pause, and a seeder that trusts the file it is given.
params.trackers = []
params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
if what == "seed":
    params.flags |= lt.torrent_flags.seed_mode
handle = session.add_torrent(params)
handle.replace_trackers([])
while session.listen_port() == 0:
    time.sleep(0.005)
print("port", session.listen_port(), flush=True)
if what == "fetch":
    handle.connect_peer(("127.0.0.1", int(sys.argv[5])))
    while not handle.status().is_seeding:
        session.wait_for_alert(5)
        session.pop_alerts()
    # The disk threads may still hold the last blocks.
    handle.flush_cache()
    while not any(isinstance(alert, lt.cache_flushed_alert) for alert in session.pop_alerts()):
        session.wait_for_alert(5)
    print("done", flush=True)
while True:
    time.sleep(3600)
