// The opponent in bench/swarm: libtorrent as a seed or a leecher of one torrent, tuned for a fast
// local network. Plain TCP, no encryption, large buffers and its posix disk back end, which of
// those in Debian 12 needs the least processor time.
//
//   libtorrent_node TORRENT FOLDER ADDRESS:PORT [PEER_ADDRESS:PORT...]
//   libtorrent_node --read COUNT TORRENT FOLDER ADDRESS:PORT PEER...
//
// Prints a line when it has everything, and what it uploaded when it is asked to end; with --read
// the milliseconds of COUNT reads of a random piece, each asked for with a deadline of now.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/posix_disk_io.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

lt::session_params tuned(std::string const& listen) {
  lt::settings_pack settings;
  settings.set_str(lt::settings_pack::listen_interfaces, listen);
  settings.set_str(lt::settings_pack::outgoing_interfaces, listen.substr(0, listen.rfind(':')));
  for (auto const off :
       {lt::settings_pack::enable_dht, lt::settings_pack::enable_lsd,
        lt::settings_pack::enable_upnp, lt::settings_pack::enable_natpmp,
        lt::settings_pack::enable_incoming_utp, lt::settings_pack::enable_outgoing_utp,
        lt::settings_pack::close_redundant_connections, lt::settings_pack::rate_limit_ip_overhead,
        lt::settings_pack::ssrf_mitigation}) {
    settings.set_bool(off, false);
  }
  settings.set_bool(lt::settings_pack::allow_multiple_connections_per_ip, true);
  settings.set_int(lt::settings_pack::in_enc_policy, lt::settings_pack::pe_disabled);
  settings.set_int(lt::settings_pack::out_enc_policy, lt::settings_pack::pe_disabled);
  settings.set_int(lt::settings_pack::send_buffer_watermark, 8 << 20);
  settings.set_int(lt::settings_pack::send_buffer_low_watermark, 1 << 20);
  settings.set_int(lt::settings_pack::send_socket_buffer_size, 4 << 20);
  settings.set_int(lt::settings_pack::recv_socket_buffer_size, 4 << 20);
  settings.set_int(lt::settings_pack::max_queued_disk_bytes, 64 << 20);
  settings.set_int(lt::settings_pack::max_out_request_queue, 1500);
  settings.set_int(lt::settings_pack::request_queue_time, 1);
  settings.set_int(lt::settings_pack::aio_threads, 2);
  settings.set_int(lt::settings_pack::hashing_threads, 2);
  settings.set_int(lt::settings_pack::unchoke_slots_limit, -1);
  settings.set_int(lt::settings_pack::connection_speed, 500);
  settings.set_int(lt::settings_pack::alert_mask,
                   lt::alert_category::status | lt::alert_category::error);
  lt::session_params parameters{settings};
  parameters.disk_io_constructor = lt::posix_disk_io_constructor;
  return parameters;
}

std::sig_atomic_t volatile asked_to_end = 0;

using Clock = std::chrono::steady_clock;

/// One piece that nobody has asked for yet, with a deadline of now; milliseconds until it was read.
double timed_read(lt::session& session, lt::torrent_handle& torrent, lt::piece_index_t piece) {
  auto const began = Clock::now();
  torrent.set_piece_deadline(piece, 0, lt::torrent_handle::alert_when_available);
  for (;;) {
    session.wait_for_alert(std::chrono::milliseconds{100});
    std::vector<lt::alert*> alerts;
    session.pop_alerts(&alerts);
    for (auto* alert : alerts) {
      auto* const read = lt::alert_cast<lt::read_piece_alert>(alert);
      if (read != nullptr && read->piece == piece)
        return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
    }
  }
}

void read_test(lt::session& session, lt::torrent_handle& torrent, int count) {
  auto const pieces = torrent.torrent_file()->num_pieces();
  torrent.prioritize_pieces(
      std::vector<lt::download_priority_t>(static_cast<std::size_t>(pieces), lt::dont_download));
  while (torrent.status().num_peers == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  std::this_thread::sleep_for(std::chrono::seconds{1});
  std::vector<int> order(static_cast<std::size_t>(pieces));
  for (int i = 0; i < pieces; ++i) order[static_cast<std::size_t>(i)] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937{7});
  for (int i = 0; i < std::min(count, pieces); ++i)
    std::cout << timed_read(session, torrent, lt::piece_index_t{order[static_cast<std::size_t>(i)]})
              << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments{argv + 1, argv + argc};
  int reads = 0;
  if (!arguments.empty() && arguments[0] == "--read") {
    reads = std::stoi(arguments.at(1));
    arguments.erase(arguments.begin(), arguments.begin() + 2);
  }
  if (arguments.size() < 3) return 2;

  lt::session session{tuned(arguments[2])};
  lt::add_torrent_params parameters;
  parameters.ti = std::make_shared<lt::torrent_info>(arguments[0]);
  parameters.save_path = arguments[1];
  parameters.flags &= ~(lt::torrent_flags::auto_managed | lt::torrent_flags::paused);
  auto torrent = session.add_torrent(parameters);
  for (std::size_t i = 3; i < arguments.size(); ++i) {
    auto const colon = arguments[i].rfind(':');
    torrent.connect_peer({lt::make_address(arguments[i].substr(0, colon)),
                          static_cast<std::uint16_t>(std::stoi(arguments[i].substr(colon + 1)))});
  }
  if (reads > 0) {
    read_test(session, torrent, reads);
    return 0;
  }
  std::signal(SIGTERM, [](int) { asked_to_end = 1; });
  for (bool told = false; asked_to_end == 0;) {
    if (!told && torrent.status().is_seeding) {
      told = true;
      std::cout << "\"seeding\"" << std::endl;
    }
    session.wait_for_alert(std::chrono::milliseconds{10});
    std::vector<lt::alert*> alerts;
    session.pop_alerts(&alerts);
  }
  std::cout << "{\"uploaded\":" << torrent.status().total_payload_upload << "}" << std::endl;
  // Without its long goodbye to trackers.
  std::_Exit(0);
}
