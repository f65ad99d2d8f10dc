#pragma once

#include <cstddef>
#include <functional>

namespace bench {

/// An echo server in a child process on CPU 0, and a load generator on CPU 1 that keeps one message
/// of 64 bytes under way on each of 1,000 connections.
struct EchoFigures {
  double requests_per_s = 0;
  double p99_to_p50 = 0;
  double server_us_each = 0;  ///< CPU of the server process for one request
};

/// `serve` is called in the child: it calls `listening` with its port, accepts `connections`, and
/// returns when all of them were closed.
using EchoServer =
    std::function<void(int connections, std::function<void(unsigned short)> listening)>;

[[nodiscard]] EchoFigures measure_echo(EchoServer const& serve);

void serve_with_asio(int connections, std::function<void(unsigned short)> listening);

inline constexpr std::size_t kEchoBytes = 64;

}  // namespace bench
