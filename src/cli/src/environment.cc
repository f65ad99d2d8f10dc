#include "environment.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

#include "mutirao/node/remote.h"

namespace mutirao::cli {
namespace {

/// sockaddr_un holds 108 bytes, the final NUL included.
constexpr std::size_t kSocketPathMax = 107;

std::string variable(char const* name) {
  char const* value = std::getenv(name);
  return value == nullptr ? std::string{} : std::string{value};
}

}  // namespace

Environment Environment::read() {
  std::error_code none;
  return {.home = variable("HOME"),
          .state_dir = variable("MUTIRAO_STATE_DIR"),
          .xdg_state = variable("XDG_STATE_HOME"),
          .xdg_runtime = variable("XDG_RUNTIME_DIR"),
          .capability = variable("MUTIRAO_CAPABILITY"),
          .at = variable("MUTIRAO_AT"),
          .guest_missing = variable("MUTIRAO_GUEST_MISSING"),
          .guest_mend = variable("MUTIRAO_GUEST_MEND"),
          .working_folder = std::filesystem::current_path(none).string()};
}

Result<std::string> remote_place(Options const& options, Environment const& environment) {
  auto const& verb = options.verb;
  auto const noun = verb.substr(0, verb.find(' '));
  constexpr std::array<std::string_view, 9> kElsewhere{
      "status", "stop", "swarm", "thread", "object", "interceptor", "component", "key", "config"};
  bool const can = std::ranges::find(kElsewhere, noun) != kElsewhere.end() && verb != "key show" &&
                   verb != "key trust" && verb != "object schema";
  auto const& at = options.at.empty() ? environment.at : options.at;
  if (at.empty()) return "";
  if (can) return node::remote_name(at);
  // What is said for all commands does not concern those that ask no node.
  if (options.at.empty() && verb != "get" && verb != "share") return "";
  return fail(Fault::invalid,
              fmt::format("mutirao {} works with this machine alone, and not with {}", verb, at),
              options.at.empty() ? "unset MUTIRAO_AT, or run it on that machine"
                                 : "leave --at away, or run it on that machine");
}

std::string absolute_path(std::string const& path, std::string const& working_folder) {
  auto normal = (std::filesystem::path{working_folder} / path).lexically_normal().string();
  while (normal.size() > 1 && normal.ends_with('/')) normal.pop_back();
  return normal;
}

Result<NodePlace> node_place(std::string const& state_option, Environment const& environment) {
  NodePlace place;
  auto const& named = state_option.empty() ? environment.state_dir : state_option;
  if (!named.empty()) {
    place.state_folder = absolute_path(named, environment.working_folder);
    place.state_from = state_option.empty() ? "$MUTIRAO_STATE_DIR" : "--state";
  } else if (environment.xdg_state.starts_with('/')) {  // XDG: a relative path is to be ignored
    place.state_folder = environment.xdg_state + "/mutirao";
    place.state_from = "$XDG_STATE_HOME";
  } else if (!environment.home.empty()) {
    place.state_folder = environment.home + "/.local/state/mutirao";
  } else {
    return fail(Fault::invalid,
                "no place for the node's state: neither HOME nor XDG_STATE_HOME is set",
                "mutirao --state DIR ...");
  }
  bool const is_default = named.empty() && !environment.xdg_runtime.empty();
  place.socket =
      is_default ? environment.xdg_runtime + "/mutirao.sock" : place.state_folder + "/mutirao.sock";
  place.socket_from = is_default ? "$XDG_RUNTIME_DIR" : place.state_from;
  place.log_file = place.state_folder + "/node.log";
  if (place.socket.size() > kSocketPathMax)
    return fail(Fault::invalid,
                fmt::format("the path of the control socket is too long ({} bytes, at most {}): {}",
                            place.socket.size(), kSocketPathMax, place.socket),
                "use a state folder with a shorter path: mutirao --state DIR ...");
  return place;
}

Result<node::NodeConfig> node_config(Options const& options, NodePlace const& place,
                                     Environment const& environment) {
  node::NodeConfig config{
      .state_folder = place.state_folder,
      .control_socket = place.socket,
      .download_folder =
          absolute_path(options.folder.empty() ? "." : options.folder, environment.working_folder),
      .listen = std::nullopt,
      .control_port = std::nullopt,
      .base_url = options.url,
      .reach = options.internal ? net::Reach::unrestricted : net::Reach::public_only,
      .upload_rate_max = options.upload_limit,
      .download_rate_max = options.download_limit,
      .process_id = ::getpid()};
  config.control_port = options.control_port;
  auto const came = [&](char const* key, bool is_given, std::string from) {
    if (is_given && !from.empty()) config.from.emplace(key, std::move(from));
  };
  came("state", true, place.state_from);
  came("socket", true, place.socket_from);
  came("listen", !options.listen.empty(), "--listen");
  came("control-port", options.control_port.has_value(), "--control-port");
  came("url", !options.url.empty(), "--url");
  came("folder", true, options.folder.empty() ? "the folder it was started in" : "--folder");
  came("allow-internal", options.internal, "--allow-internal");
  came("upload-limit", options.upload_limit > 0, "--upload-limit");
  came("download-limit", options.download_limit > 0, "--download-limit");
  if (!options.listen.empty()) {
    // ":6882" is a port on every address.
    auto const text = options.listen.starts_with(':') ? "0.0.0.0" + options.listen : options.listen;
    config.listen = world::Endpoint::parse(text);
    if (!config.listen)
      return fail(Fault::invalid,
                  fmt::format("\"{}\" is not an address and a port", options.listen),
                  "mutirao up --listen 0.0.0.0:6881");
  }
  return config;
}

base::LogLevel log_level(base::LogLevel otherwise) {
  auto const named = variable("MUTIRAO_LOG");
  if (named == "debug") return base::LogLevel::debug;
  if (named == "info") return base::LogLevel::info;
  if (named == "warning") return base::LogLevel::warning;
  if (named == "error") return base::LogLevel::error;
  return otherwise;
}

}  // namespace mutirao::cli
