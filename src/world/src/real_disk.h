#pragma once

#include <sys/stat.h>

#include "mutirao/world/disk.h"

#include "descriptor.h"

namespace mutirao::world {

/// The file systems of this host.
class RealDisk final : public Disk {
 public:
  Result<std::unique_ptr<Directory>> open_directory(std::string_view path, bool create) override;
  Result<std::unique_ptr<TreeNode>> open_tree(std::string_view path) override;
};

/// An open regular file; `name` appears in errors.
[[nodiscard]] std::unique_ptr<File> make_real_file(Descriptor file, std::string name);

[[nodiscard]] FileInfo file_info_of(struct stat const& info) noexcept;

}  // namespace mutirao::world
