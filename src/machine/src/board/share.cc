#include "mutirao/machine/share.h"

#include <fmt/format.h>

#include "virtio/shared_folder.h"

namespace mutirao::machine {

Result<ShareText> parse_share(std::string_view text) {
  constexpr std::string_view kReadOnly = ":ro";
  ShareText share;
  auto rest = text;
  share.read_only = rest.ends_with(kReadOnly);
  if (share.read_only) rest.remove_suffix(kReadOnly.size());
  auto const colon = rest.rfind(':');
  if (colon == rest.npos || colon == 0)
    return fail(Fault::invalid, fmt::format("'{}' is no folder to share", text),
                "give FOLDER:TAG, or FOLDER:TAG:ro");
  share.folder = rest.substr(0, colon);
  share.tag = rest.substr(colon + 1);
  if (share.tag.empty() || share.tag.size() > VirtioSharedFolder::kTagMax)
    return fail(Fault::invalid, fmt::format("a shared folder with the tag '{}'", share.tag),
                fmt::format("give a tag of 1 to {} characters", VirtioSharedFolder::kTagMax));
  return share;
}

}  // namespace mutirao::machine
