#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/middleware/broker.h"
#include "mutirao/middleware/servant.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"

/// A node made of parts that are replaced while it runs.
///
/// Plug-ins that came and went as they liked taught two lessons: whoever holds a reference to a
/// part that has gone is lost, and parts that depend on each other in a circle can be neither
/// started nor stopped. Here a component is reached only through its ports, which are objects and
/// never empty: calls wait while a component is being replaced. And what needs what is a graph
/// without circles, checked before anything acts.
namespace mutirao::middleware {

/// Something that a component offers: an object of that name.
struct Port {
  std::string name;
  std::string type{};  ///< of its interface
  std::uint32_t version = 1;
};

/// A port of another component that one cannot do without.
struct Need {
  std::string port;
  std::string type{};
  std::uint32_t version_min = 1;
  std::uint32_t version_max = UINT32_MAX;
};

/// A part of a node. All but run() is called by one thread at a time.
class Component {
 public:
  virtual ~Component() = default;
  /// Makes ready to serve; its needs are there.
  virtual Result<void> start() { return {}; }
  /// One of its ports, once it was started.
  [[nodiscard]] virtual std::shared_ptr<Servant> port(std::string_view name) = 0;
  /// Whether it is well; asked before calls come, and while it is on probation.
  [[nodiscard]] virtual Result<void> probe() { return {}; }
  /// For a successor, between the last call of this one and the first of that one.
  [[nodiscard]] virtual Result<Bytes> export_state() { return Bytes{}; }
  virtual Result<void> import_state(ByteView /*state*/) { return {}; }
  /// What it does all the time, on a thread of its own, until that is asked to stop. When this
  /// fails, the component has failed.
  virtual Result<void> run();
};

/// A way to make a component.
struct ComponentKind {
  std::string name;  ///< "library"; of several that may replace each other, "library-2"
  std::string about{};
  std::vector<Port> provides{};
  std::vector<Need> needs{};
  std::function<Result<std::unique_ptr<Component>>()> make{};
};

enum class ComponentState : std::uint8_t {
  resolved,   ///< its needs are met
  started,    ///< it runs, and no call has come
  active,     ///< it serves
  quiescing,  ///< no new call comes, those under way end
  stopped,
  failed,  ///< restarted too often: somebody has to look
};
[[nodiscard]] std::string_view to_string(ComponentState state) noexcept;

/// How often a component that fails is started again before that is given up (Erlang's restart
/// intensity).
struct Supervision {
  unsigned restarts_max = 3;
  Duration within = std::chrono::seconds{60};
  Duration pause = std::chrono::milliseconds{100};  ///< before each
};

struct SwapOptions {
  Duration drain = std::chrono::seconds{5};  ///< for the calls that are under way
  /// For so long the old one is kept, and comes back when the new one fails.
  Duration probation = std::chrono::seconds{10};
};

/// The components of a node.
class Assembly {
 public:
  /// `given_up` is called when a component failed too often: the one above decides, be it by ending
  /// the node.
  Assembly(Broker& broker, Supervision supervision, std::function<void(Error)> given_up);
  ~Assembly();  ///< stops all, those that need others first

  void add_kind(ComponentKind kind);
  /// Makes a component of that kind and starts it. Its needs have to be there; a version that does
  /// not fit is told.
  Result<void> add(std::string name, std::string_view kind);
  /// Replaces a component by one of `kind` while calls come; none is lost or refused. The new one
  /// is started and probed beside the old one, takes its state over, and is on probation. On any
  /// failure the old one goes on, with all that it had.
  Result<void> swap(std::string_view name, std::string_view kind, SwapOptions options = {});
  /// Refused while another one needs it, which is named.
  Result<void> remove(std::string_view name, Deadline deadline);

  struct Listed {
    std::string name;
    std::string kind;
    std::string about;
    std::string state;  ///< to_string() of it
    std::vector<std::string> ports;
    std::vector<std::string> needs;      ///< ports
    std::vector<std::string> needed_by;  ///< components
    std::uint32_t swaps = 0;
    std::uint32_t restarts = 0;
    bool on_probation = false;
    std::string why{};  ///< what it last failed with
  };
  /// Those that are needed come before those that need them.
  [[nodiscard]] std::vector<Listed> list() const;
  [[nodiscard]] std::vector<std::string> kinds_for(std::string_view name) const;

  /// The order in which components of these kinds can be started. A circle is refused, with its
  /// path: "a needs b needs a".
  [[nodiscard]] static Result<std::vector<std::string>> order_of(
      std::map<std::string, ComponentKind const*> const& components);

 private:
  struct Part;
  [[nodiscard]] Result<ComponentKind const*> kind_of(std::string_view name) const;
  [[nodiscard]] Result<void> check(std::string const& name, ComponentKind const& kind) const;
  [[nodiscard]] Result<std::unique_ptr<Component>> make_started(ComponentKind const& kind) const;
  Result<void> hand_over(Part& part, ComponentKind const& kind, std::unique_ptr<Component> next,
                         bool with_state, Duration drain);
  Result<void> remove_ports(Part& part, Deadline deadline);
  void supervise(std::shared_ptr<Part> part);
  Result<void> restart(Part& part);
  void follow_probation(std::shared_ptr<Part> part, Duration probation);

  Broker& broker_;
  Supervision supervision_;
  std::function<void(Error)> given_up_;
  mutable threads::mutex mutex_;
  std::map<std::string, ComponentKind, std::less<>> kinds_;
  std::map<std::string, std::shared_ptr<Part>, std::less<>> parts_;
  std::vector<std::string> order_;
  threads::mutex changing_;  // one change at a time
  threads::scope scope_;
};

}  // namespace mutirao::middleware
