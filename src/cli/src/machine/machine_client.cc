#include "machine/machine_client.h"

#include "mutirao/threads/this_thread.h"

namespace mutirao::cli {
namespace {

constexpr Duration kAnswer = 5s;
constexpr Duration kConnect = 1s;
constexpr Duration kKeyboardFull = 10ms;

}  // namespace

MachineClient::MachineClient(world::World& world, std::string socket)
    : world_{world},
      socket_{std::move(socket)},
      number_{world.entropy().next()},
      broker_{world, {.name = "command"}} {}

Result<middleware::Ref<MachineObject>> MachineClient::object() {
  return broker_.find<MachineObject>(fmt::format("{}@{}", MachineObject::kName, socket_));
}

Result<MachineInfo> MachineClient::status() {
  auto const machine = MUT_TRY(object());
  auto status = machine.status.with({.deadline = threads::within(kAnswer)})();
  if (!status) return std::unexpected<Error>{std::move(status).error()};
  return *std::move(status);
}

Result<void> MachineClient::watch(bool types, std::function<bool(ByteView)> const& show) {
  auto const machine = MUT_TRY(object());
  auto pieces = machine.console.with({.deadline = Deadline::never()})(
      ConsoleRequest{.client = number_, .types = types});
  for (;;) {
    auto piece = pieces.next();
    if (!piece) return std::unexpected<Error>{std::move(piece).error()};
    if (!*piece || !show(**piece)) return {};
  }
}

Result<void> MachineClient::type(std::string_view text) {
  auto const machine = MUT_TRY(object());
  while (!text.empty()) {
    Bytes const bytes{text.begin(), text.end()};
    auto const taken = machine.type.with({.deadline = threads::within(kAnswer)})(number_, bytes);
    if (!taken) return std::unexpected<Error>{taken.error()};
    text.remove_prefix(std::min<std::uint64_t>(*taken, text.size()));
    if (!text.empty()) MUT_TRY(threads::sleep_for(kKeyboardFull));
  }
  return {};
}

Result<void> MachineClient::snapshot(
    SnapshotRequest const& request, std::function<Result<void>(SnapshotPiece const&)> const& take) {
  auto const machine = MUT_TRY(object());
  auto pieces = machine.snapshot.with({.deadline = Deadline::never()})(request);
  for (;;) {
    auto piece = pieces.next();
    if (!piece) return std::unexpected<Error>{std::move(piece).error()};
    if (!*piece) return fail(Fault::closed, "the machine ended before all of it was saved");
    MUT_TRY(take(**piece));
    if ((*piece)->last) return {};
  }
}

Result<void> MachineClient::stop(std::uint32_t patience_s) {
  auto const machine = MUT_TRY(object());
  auto asked = machine.stop.with({.deadline = threads::within(kAnswer)})(patience_s);
  // It may be quicker to end than to answer.
  if (!asked && asked.error().fault != Fault::closed)
    return std::unexpected<Error>{std::move(asked).error()};
  return {};
}

bool MachineClient::is_there() {
  return world_.network().connect_local(socket_, threads::within(kConnect)).has_value();
}

}  // namespace mutirao::cli
