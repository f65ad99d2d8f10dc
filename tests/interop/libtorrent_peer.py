"""One libtorrent session as a process: adds a torrent, keeps serving it, tells its progress.

Ends by itself with --exit-when-done; prints JSON lines.
"""

import argparse
import json
import sys
import time

import libtorrent as lt


def session(listen, tuned):
    settings = {
        "listen_interfaces": listen,
        "outgoing_interfaces": listen.rsplit(":", 1)[0],
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_incoming_utp": False, "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True, "close_redundant_connections": False,
        "in_enc_policy": 2, "out_enc_policy": 2,  # plain TCP, as the other side speaks
        "announce_to_all_trackers": True, "min_announce_interval": 1,
        "ssrf_mitigation": False, "validate_https_trackers": False,
        "alert_mask": lt.alert.category_t.error_notification,
    }
    if tuned:
        settings.update({
            "send_buffer_watermark": 8 << 20, "send_buffer_low_watermark": 1 << 20,
            "send_socket_buffer_size": 4 << 20, "recv_socket_buffer_size": 4 << 20,
            "max_queued_disk_bytes": 64 << 20, "request_queue_time": 1, "max_out_request_queue": 1500,
            "aio_threads": 2, "hashing_threads": 2, "unchoke_slots_limit": -1,
            "connection_speed": 500, "mixed_mode_algorithm": 0, "rate_limit_ip_overhead": False,
        })
    return lt.session(settings)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--what", required=True)
    options.add_argument("--folder", required=True)
    options.add_argument("--listen", required=True)
    options.add_argument("--peer", action="append", default=[])
    options.add_argument("--tuned", action="store_true")
    options.add_argument("--exit-when-done", action="store_true")
    chosen = options.parse_args()

    peer = session(chosen.listen, chosen.tuned)
    if chosen.what.startswith("magnet:"):
        parameters = lt.parse_magnet_uri(chosen.what)
    else:
        parameters = lt.add_torrent_params()
        parameters.ti = lt.torrent_info(chosen.what)
    parameters.save_path = chosen.folder
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = peer.add_torrent(parameters)
    for address in chosen.peer:
        host, port = address.rsplit(":", 1)
        handle.connect_peer((host, int(port)))

    last = None
    while True:
        status = handle.status()
        for alert in peer.pop_alerts():
            print(json.dumps({"alert": alert.message()}), flush=True)
        now = (str(status.state), round(status.progress, 3), status.num_peers)
        if now != last:
            last = now
            print(json.dumps({"state": now[0], "progress": now[1], "peers": now[2]}), flush=True)
        if status.is_seeding and chosen.exit_when_done:
            return 0
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
