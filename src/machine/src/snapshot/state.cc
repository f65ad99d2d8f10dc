#include "snapshot/state.h"

#include <algorithm>
#include <zlib.h>

#include <fmt/format.h>

#include "mutirao/base/check.h"

namespace mutirao::machine {
namespace {

std::uint32_t content_checksum(ByteView bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, bytes.data(), bytes.size()));
}

std::unexpected<Error> damaged(std::string what) {
  return fail(Fault::corrupt, "the snapshot is damaged: " + std::move(what),
              "restore another one, or start the machine anew");
}

}  // namespace

void append_section(Bytes& to, std::string_view name, std::uint32_t version, ByteView content) {
  MUT_ASSERT(!name.empty() && name.size() <= StateSection::kNameMax);
  StateWriter header;
  header.put(base::view_of(name));
  header.put(version);
  header.put(content_checksum(content));
  header.put(content);
  to.insert(to.end(), header.bytes().begin(), header.bytes().end());
}

Result<void> append_section(Bytes& to, std::string_view name, Saved const& part) {
  StateWriter writer;
  if (auto saved = part.save(writer); !saved)
    return std::unexpected{std::move(saved).error().during(name)};
  append_section(to, name, part.state_version(), writer.bytes());
  return {};
}

Result<std::vector<StateSection>> read_sections(ByteView bytes) {
  std::vector<StateSection> sections;
  while (!bytes.empty()) {
    if (sections.size() == kStateSectionsMax) return damaged("it has too many sections");
    StateReader header{bytes, 0};
    Bytes name;
    StateSection section;
    std::uint32_t checksum = 0, size = 0;
    bool const there = header.get(name, StateSection::kNameMax) && header.get(section.version) &&
                       header.get(checksum) && header.get(size);
    std::size_t const header_bytes = 16 + name.size();
    if (!there || name.empty() || size > bytes.size() - header_bytes)
      return damaged(fmt::format("section {} ends before its end", sections.size()));
    section.name = base::text_of(name);
    section.content = bytes.subspan(header_bytes, size);
    if (content_checksum(section.content) != checksum)
      return damaged(fmt::format("{} does not match its checksum", section.name));
    if (std::ranges::find(sections, section.name, &StateSection::name) != sections.end())
      return damaged(fmt::format("{} is there twice", section.name));
    sections.push_back(std::move(section));
    bytes = bytes.subspan(header_bytes + size);
  }
  return sections;
}

Result<void> restore_section(std::vector<StateSection>& sections, std::string_view name,
                             Saved& part) {
  auto const found = std::ranges::find(sections, name, &StateSection::name);
  if (found == sections.end()) return damaged(fmt::format("nothing about {} is in it", name));
  StateSection const section = std::move(*found);
  sections.erase(found);
  if (section.version == 0 || section.version > part.state_version())
    return fail(Fault::unsupported,
                fmt::format("the snapshot has {} in version {}, and this release knows {}", name,
                            section.version, part.state_version()),
                "use the release that made it");
  StateReader reader{section.content, section.version};
  if (!part.restore(reader) || !reader.complete())
    return damaged(fmt::format("what it says of {} makes no sense", name));
  return {};
}

}  // namespace mutirao::machine
