#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "mutirao/base/result.h"
#include "mutirao/middleware/broker.h"
#include "mutirao/middleware/json_values.h"
#include "mutirao/world/world.h"

#include "machine/machine_object.h"

namespace mutirao::cli {

/// The monitor of a machine, spoken to over its control socket. Fails with unreachable when nobody
/// answers there.
class MachineClient {
 public:
  MachineClient(world::World& world, std::string socket);

  [[nodiscard]] Result<MachineInfo> status();
  /// Gives `show` what is on the console, until the machine ends or `show` returns false. With
  /// `types` it takes the keyboard as well.
  [[nodiscard]] Result<void> watch(bool types, std::function<bool(ByteView)> const& show);
  /// Types all of it, once watch() has the keyboard. Gives up when asked to stop.
  [[nodiscard]] Result<void> type(std::string_view text);
  /// Gives `take` the pieces of a snapshot, the last one too; ends when it fails.
  [[nodiscard]] Result<void> snapshot(
      SnapshotRequest const& request,
      std::function<Result<void>(SnapshotPiece const&)> const& take);
  [[nodiscard]] Result<void> stop(std::uint32_t patience_s);
  /// Whether somebody listens on the socket.
  [[nodiscard]] bool is_there();

 private:
  [[nodiscard]] Result<middleware::Ref<MachineObject>> object();
  world::World& world_;
  std::string socket_;
  std::uint64_t const number_;
  middleware::Broker broker_;
};

/// Reads what middleware::json_of wrote.
template <class T>
[[nodiscard]] Result<T> record_from_json(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  wire::MsgpackWriter encoded;
  MUT_TRY(middleware::msgpack_from_json(encoded, text, &middleware::shape_of<T>, "record"));
  middleware::Decoder from{encoded.written()};
  auto value = middleware::read<T>(from);
  MUT_TRY(from.finish());
  return value;
}

}  // namespace mutirao::cli
