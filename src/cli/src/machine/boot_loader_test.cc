#include "machine/boot_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::cli {
namespace {

using testing::HasSubstr;

Options asked(std::vector<std::pair<std::string Options::*, std::string>> const& fields) {
  Options options;
  for (auto const& [field, value] : fields) options.*field = value;
  return options;
}

TEST(BootLoader, of_debian_starts_an_image_unless_another_is_named) {
  EXPECT_EQ(*loader_of(asked({{&Options::image, "a.img"}})), kDebianLoader);
  EXPECT_EQ(*loader_of(asked({{&Options::image, "a.img"}, {&Options::loader, "u-boot.bin"}})),
            "u-boot.bin");
  EXPECT_EQ(*loader_of(asked({{&Options::loader, "u-boot.bin"}})), "u-boot.bin");
}

TEST(BootLoader, is_not_there_when_a_kernel_or_firmware_begins) {
  EXPECT_EQ(*loader_of(asked({{&Options::image, "a.img"},
                              {&Options::kernel, "vmlinuz"},
                              {&Options::append, "root=/dev/vda1"}})),
            "");
  EXPECT_EQ(*loader_of(asked({{&Options::image, "a.img"}, {&Options::firmware, "u-boot.bin"}})),
            "");
  // OpenSBI hands over to one.
  EXPECT_EQ(*loader_of(asked({{&Options::image, "a.img"},
                              {&Options::loader, "u-boot.bin"},
                              {&Options::firmware, "opensbi"}})),
            "u-boot.bin");
}

TEST(BootLoader, has_no_use_for_what_belongs_to_a_kernel) {
  EXPECT_THAT(loader_of(asked({})).error().mend, HasSubstr("mutirao boot IMAGE"));
  EXPECT_THAT(loader_of(asked({{&Options::loader, "u-boot.bin"}, {&Options::kernel, "vmlinuz"}}))
                  .error()
                  .mend,
              HasSubstr("leave out --kernel or --loader"));
  EXPECT_THAT(
      loader_of(asked({{&Options::image, "a.img"}, {&Options::append, "quiet"}})).error().mend,
      HasSubstr("leave out --initrd and --append"));
}

TEST(BootLoader, that_is_missing_says_how_to_get_it_where_it_was_not_named) {
  Error const missing{Fault::not_found, "open x: no such file", "look for it"};
  EXPECT_THAT(no_loader(asked({{&Options::image, "a.img"}}), missing).mend,
              HasSubstr("apt install u-boot-qemu"));
  EXPECT_EQ(no_loader(asked({{&Options::image, "a.img"}, {&Options::loader, "x"}}), missing).mend,
            "look for it");
}

}  // namespace
}  // namespace mutirao::cli
