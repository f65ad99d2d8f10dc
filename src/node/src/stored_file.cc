#include "stored_file.h"

#include <fmt/format.h>

namespace mutirao::node {
namespace {

constexpr std::size_t kFileNameBytesMax = 200;

Result<void> check_name(std::string_view name) {
  bool const plain = !name.empty() && name.size() <= kFileNameBytesMax && !name.starts_with('.') &&
                     name.find_first_of(std::string_view{"/\\\0", 3}) == std::string_view::npos;
  if (plain) return {};
  return fail(Fault::invalid, fmt::format("\"{}\" is no name for a file", name),
              fmt::format("a name of at most {} bytes, without / and not beginning with a dot",
                          kFileNameBytesMax));
}

Result<void> write_all(world::File& file, middleware::Attachment const& content) {
  for (std::uint64_t written = 0;;) {
    auto const piece = MUT_TRY(Result<ByteView>{content.next()});
    if (piece.empty()) return file.sync();
    MUT_TRY(file.write_at(written, piece));
    written += piece.size();
  }
}

}  // namespace

Result<std::string> store_file(world::World& world, std::string const& folder,
                               std::string const& name, middleware::Attachment const& content) {
  MUT_TRY(check_name(name));
  auto const path = fmt::format("{}/{}", folder, name);
  auto const taken = [&] {
    return fail(Fault::refused, fmt::format("there is a file {} already", path),
                "choose another name");
  };
  auto const directory = MUT_TRY(world.disk().open_directory(folder, true));
  if (directory->info(name)) return taken();
  auto const part = name + ".part";
  auto const file =
      MUT_TRY(directory->open(part, {.writable = true, .create = true, .truncate = true}));
  auto stored = write_all(*file, content);
  if (stored && directory->info(name)) stored = taken();
  if (stored) stored = directory->rename(part, name);
  if (stored) stored = directory->sync();
  if (stored) return path;
  static_cast<void>(directory->remove(part));
  return std::unexpected{std::move(stored).error().during(fmt::format("storing {}", name))};
}

}  // namespace mutirao::node
