#pragma once

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

#include "mutirao/base/log.h"
#include "mutirao/threads/blocking.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

/// Real programs as peers: curl and nginx on loopback, in a folder that goes with the test.
namespace mutirao::net::test {

/// Runs `body` on a user thread of a real runtime. Spawn in the scope; it is stopped at the end.
inline void run_real(std::function<void(world::World&, threads::scope&)> const& body) {
  threads::runtime runtime{{.processors = 2}};
  runtime.run([&] {
    base::SilentLog log;
    auto const world = world::make_real_world(log);
    threads::scope scope;
    body(*world, scope);
    scope.request_stop();
    (void)scope.join();
  });
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "mutirao-net-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) std::perror("mkdtemp");
    path_ = path;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return (path_ / name).string();
  }
  [[nodiscard]] std::string path() const { return path_.string(); }
  void write(std::string_view name, std::string_view text) const {
    std::ofstream{path_ / name, std::ios::binary} << text;
  }

 private:
  std::filesystem::path path_;
};

/// Standard output of a shell command; the LWP waits, other threads run on.
inline std::string output_of(std::string const& command) {
  return threads::blocking([&] {
    std::string out;
    std::FILE* const pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return out;
    std::array<char, 4096> buffer;
    while (auto const count = std::fread(buffer.data(), 1, buffer.size(), pipe))
      out.append(buffer.data(), count);
    pclose(pipe);
    return out;
  });
}

/// nginx in the foreground with the given server blocks; PORT in them is replaced by a free one.
class Nginx {
 public:
  Nginx(world::World& world, TemporaryFolder const& folder, std::string servers) {
    port_ = (*world.network().listen({.address = world::IpAddress::loopback(), .port = 0}))
                ->local()
                .port;
    for (auto at = servers.find("PORT"); at != std::string::npos; at = servers.find("PORT"))
      servers.replace(at, 4, std::to_string(port_));
    folder.write("nginx.conf",
                 "daemon off; master_process off; error_log stderr crit; pid nginx.pid; events {}\n"
                 "http { access_log access.log; client_body_temp_path body; proxy_temp_path proxy; "
                 "fastcgi_temp_path fastcgi;\n"
                 "uwsgi_temp_path uwsgi; scgi_temp_path scgi; types { text/plain txt; }\n" +
                     servers + "}\n");
    process_ = fork();
    if (process_ == 0) {
      auto const path = folder.path() + "/";
      execlp("nginx", "nginx", "-p", path.c_str(), "-c", "nginx.conf", nullptr);
      _exit(127);
    }
    for (int tries = 0; tries < 500; ++tries) {
      if (world.network().connect({.address = world::IpAddress::loopback(), .port = port_}, {},
                                  threads::within(5s)))
        return;
      (void)threads::sleep_for(20ms);
    }
    ADD_FAILURE() << "nginx does not answer at port " << port_;
  }
  ~Nginx() {
    kill(process_, SIGTERM);
    int status = 0;
    threads::blocking([&] { return waitpid(process_, &status, 0); });
  }
  Nginx(Nginx const&) = delete;
  Nginx& operator=(Nginx const&) = delete;

  [[nodiscard]] std::string url(std::string_view target, std::string_view scheme = "http",
                                std::string_view host = "127.0.0.1") const {
    return std::string{scheme} + "://" + std::string{host} + ':' + std::to_string(port_) +
           std::string{target};
  }

 private:
  std::uint16_t port_;
  pid_t process_;
};

}  // namespace mutirao::net::test
