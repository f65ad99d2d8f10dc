// The echo server with Boost.Asio: callbacks, one kernel thread.
#include <array>
#include <memory>
#include <utility>  // which asio of Boost 1.74 forgets

#include <boost/asio.hpp>

#include "echo.h"

namespace bench {

namespace {
using boost::asio::ip::tcp;

struct Connection : std::enable_shared_from_this<Connection> {
  explicit Connection(tcp::socket&& accepted) : socket{std::move(accepted)} {
    socket.set_option(tcp::no_delay{true});
  }
  void read() {
    socket.async_read_some(
        boost::asio::buffer(message),
        [self = shared_from_this()](boost::system::error_code failed, std::size_t size) {
          if (!failed) self->write(size);
        });
  }
  void write(std::size_t size) {
    boost::asio::async_write(
        socket, boost::asio::buffer(message, size),
        [self = shared_from_this()](boost::system::error_code failed, std::size_t) {
          if (!failed) self->read();
        });
  }
  tcp::socket socket;
  std::array<char, kEchoBytes> message{};
};
}  // namespace

void serve_with_asio(int connections, std::function<void(unsigned short)> listening) {
  boost::asio::io_context context{1};
  tcp::acceptor acceptor{context, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
  acceptor.listen(connections);
  listening(acceptor.local_endpoint().port());
  for (int i = 0; i < connections; ++i) std::make_shared<Connection>(acceptor.accept())->read();
  context.run();
}

}  // namespace bench
