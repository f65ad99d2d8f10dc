#include "machine/boot_loader.h"

#include <fmt/format.h>

namespace mutirao::cli {

Result<std::string> loader_of(Options const& options) {
  bool const has_kernel = !options.kernel.empty();
  if (!options.loader.empty() && has_kernel)
    return fail(Fault::invalid, "a boot loader looks for a kernel itself",
                "leave out --kernel or --loader");
  if (has_kernel || !options.firmware.empty()) return options.loader;
  if (options.image.empty() && options.loader.empty())
    return fail(Fault::invalid, "nothing to boot",
                "mutirao boot IMAGE; mutirao boot --kernel FILE --initrd FILE");
  if (!options.initrd.empty() || !options.append.empty())
    return fail(Fault::invalid, "what a disk has on it brings its initrd and command line itself",
                "leave out --initrd and --append, or give --kernel FILE as well");
  return options.loader.empty() ? kDebianLoader : options.loader;
}

Error no_loader(Options const& options, Error error) {
  if (!options.loader.empty() || error.fault != Fault::not_found) return error;
  return {Fault::not_found, fmt::format("there is no boot loader to start it: {}", error.what),
          "apt install u-boot-qemu; or --loader FILE; or --kernel FILE"};
}

}  // namespace mutirao::cli
