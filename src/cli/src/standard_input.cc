#include "standard_input.h"

#include <cerrno>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/io.h"

namespace mutirao::cli {

middleware::Outcome<ByteView> StandardInput::take() {
  int error = 0;
  auto const got = threads::blocking([&] {
    for (;;) {
      auto const bytes = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
      error = threads::last_error_number();
      if (bytes >= 0 || error != EINTR) return bytes;
    }
  });
  if (got < 0)
    return std::unexpected{
        middleware::Failure{Error{Fault::io,
                                  fmt::format("standard input cannot be read: {}",
                                              std::generic_category().message(error)),
                                  {}},
                            middleware::Executed::maybe,
                            middleware::Retry::never,
                            {},
                            {}}};
  bytes_ += static_cast<std::uint64_t>(got);
  if (told_) told_(bytes_);
  return ByteView{buffer_}.first(static_cast<std::size_t>(got));
}

}  // namespace mutirao::cli
