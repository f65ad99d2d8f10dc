#include "machine/snapshot_note.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Options booted() {
  Options options;
  options.name = "web";
  options.kernel = "vmlinuz";
  options.append = "console=ttyS0";
  options.image = "image";
  options.vsock = true;
  options.shares = {"given:stuff:ro"};
  options.network = "lan";
  options.allowed = {"127.0.0.1:80"};
  options.published = {"2222:22"};
  options.isolation = "required";
  options.engine = "interp";
  return options;
}

/// As it is kept once its disks were looked at.
SnapshotNote noted() {
  auto note = note_of(booted(), "/home/ana");
  note.disks = {{.image = {.path = "/home/ana/image"}, .overlay = {.path = "/home/ana/written"}},
                {.image = {.path = "/other.img"}}};
  return *parse_snapshot_note(to_text(note));
}

TEST(SnapshotNote, starts_a_machine_with_all_that_it_had_from_wherever_it_is_restored) {
  auto const options = options_of(noted(), {});
  EXPECT_EQ(options.name, "web");
  EXPECT_EQ(options.kernel, "/home/ana/vmlinuz");
  EXPECT_EQ(options.append, "console=ttyS0");
  EXPECT_EQ(options.image, "/home/ana/image,overlay=/home/ana/written");
  EXPECT_THAT(options.disks, ElementsAre("/other.img"));
  EXPECT_TRUE(options.vsock);
  EXPECT_THAT(options.shares, ElementsAre("/home/ana/given:stuff:ro"));
  EXPECT_EQ(options.network, "lan");
  EXPECT_THAT(options.allowed, ElementsAre("127.0.0.1:80"));
  EXPECT_THAT(options.published, ElementsAre("2222:22"));
  EXPECT_EQ(options.isolation, "required");
  EXPECT_EQ(options.engine, "interp");
}

TEST(SnapshotNote, gives_way_to_what_a_person_says_but_never_takes_a_wall_away) {
  Options given;
  given.name = "copy";
  given.disks = {"moved.img", "other.img"};
  given.network_now = "off";
  given.published = {"2223:22"};
  given.engine_now = "jit";
  given.isolation = "possible";
  auto const options = options_of(noted(), given);
  EXPECT_EQ(options.name, "copy");
  EXPECT_EQ(options.image, "moved.img");
  EXPECT_THAT(options.disks, ElementsAre("other.img"));
  EXPECT_EQ(options.network, "off");
  EXPECT_THAT(options.published, ElementsAre("2223:22"));
  EXPECT_EQ(options.engine, "jit");
  EXPECT_EQ(options.isolation, "required");
}

TEST(SnapshotNote, tells_a_disk_that_was_written_since_from_one_that_was_not) {
  FileNote const then{.path = "/disk.img", .size = 100, .modified_ns = 5};
  EXPECT_TRUE(check_file(then, {.path = "/moved.img", .size = 100, .modified_ns = 5}));
  auto const written = check_file(then, {.path = "/disk.img", .size = 100, .modified_ns = 6});
  EXPECT_EQ(written.error().fault, Fault::refused);
  EXPECT_THAT(written.error().what, HasSubstr("/disk.img was written since"));
  EXPECT_FALSE(check_file(then, {.path = "/disk.img", .size = 101, .modified_ns = 5}));
}

TEST(SnapshotNote, finds_the_overlay_of_a_disk_that_was_moved) {
  DiskNote const beside{.image = {.path = "/a"}, .overlay = {.path = "/a.overlay"}};
  DiskNote const elsewhere{.image = {.path = "/a"}, .overlay = {.path = "/written"}};
  EXPECT_EQ(files_of_disk("/b", beside)->overlay.path, "/b.overlay");
  EXPECT_EQ(files_of_disk("/b,overlay=/c", beside)->overlay.path, "/c");
  EXPECT_EQ(files_of_disk("/b", elsewhere)->overlay.path, "");
  EXPECT_EQ(files_of_disk("/b", elsewhere)->image.path, "/b");
  EXPECT_FALSE(files_of_disk("", beside));
}

TEST(SnapshotNote, is_refused_when_it_is_none_or_a_newer_one) {
  EXPECT_EQ(parse_snapshot_note("").error().fault, Fault::unsupported);
  for (auto const* text : {"{", "[]", "{\"disks\": 3}", "{\"name\":\"x\",\"version\":\"two\"}"})
    EXPECT_EQ(parse_snapshot_note(text).error().fault, Fault::corrupt) << text;
  auto newer = noted();
  newer.version = 2;
  EXPECT_EQ(parse_snapshot_note(to_text(newer)).error().fault, Fault::unsupported);
}

}  // namespace
}  // namespace mutirao::cli
