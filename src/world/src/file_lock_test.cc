#include "mutirao/world/file_lock.h"

#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace mutirao::world {
namespace {

using Kind = FileLock::Kind;

class FileLockTest : public testing::Test {
 protected:
  FileLockTest() {
    path_ = (std::filesystem::temp_directory_path() / "mutirao-lock-XXXXXX").string();
    ::close(::mkstemp(path_.data()));
  }
  ~FileLockTest() override { std::filesystem::remove(path_); }
  std::string path_;
};

TEST_F(FileLockTest, is_had_by_one_alone_or_by_several_who_share) {
  {
    auto const alone = FileLock::take(path_, Kind::alone);
    ASSERT_TRUE(alone) << alone.error().what;
    EXPECT_EQ(FileLock::take(path_, Kind::alone).error().fault, Fault::refused);
    EXPECT_EQ(FileLock::take(path_, Kind::shared).error().fault, Fault::refused);
  }
  auto const one = FileLock::take(path_, Kind::shared);
  auto const other = FileLock::take(path_, Kind::shared);
  EXPECT_TRUE(one && other);
  EXPECT_EQ(FileLock::take(path_, Kind::alone).error().fault, Fault::refused);
}

TEST_F(FileLockTest, is_gone_with_a_process_that_was_killed) {
  int told[2];
  ASSERT_EQ(::pipe(told), 0);
  pid_t const child = ::fork();
  if (child == 0) {
    auto const lock = FileLock::take(path_, Kind::alone);
    static_cast<void>(!::write(told[1], lock ? "y" : "n", 1));
    for (;;) ::pause();
  }
  char has = 0;
  ASSERT_EQ(::read(told[0], &has, 1), 1);
  EXPECT_EQ(has, 'y');
  EXPECT_FALSE(FileLock::take(path_, Kind::alone));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(FileLock::take(path_, Kind::alone));
  ::close(told[0]);
  ::close(told[1]);
}

TEST_F(FileLockTest, makes_a_file_that_is_missing_only_when_it_is_asked_to) {
  std::filesystem::remove(path_);
  EXPECT_EQ(FileLock::take(path_, Kind::alone).error().fault, Fault::not_found);
  EXPECT_TRUE(FileLock::take(path_, Kind::alone, true));
  EXPECT_TRUE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace mutirao::world
