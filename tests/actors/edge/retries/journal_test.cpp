// Who was told that a request is safe finds it again, whatever becomes of the process and the disk.
#include "actors/edge/retries/journal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <random>
#include <semaphore>
#include <set>
#include <thread>

#include "tests/actors/edge/retries/kept_requests.hpp"
#include "tests/temporary_folder.hpp"

// In this program a disk may fail to sync.
namespace {
std::atomic<bool> sync_fails = false;
}
extern "C" int fdatasync(int file) {
  if (!sync_fails) return int(syscall(SYS_fdatasync, file));
  errno = EIO;
  return -1;
}

namespace troupe::actors::edge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class JournalTest : public testing::Test {
 protected:
  config::JournalSettings settings(const std::string& fsync = "interval") const {
    return {folder_.path() / fsync, fsync};
  }
  // By their numbers.
  static std::vector<std::uint64_t> found(const config::JournalSettings& settings) {
    std::vector<std::uint64_t> numbers;
    Journal(settings).each_found([&](const Journal::Found& each) {
      EXPECT_EQ(each.request, kept_request(each.request.nonce, each.request.body.size()));
      numbers.push_back(each.request.nonce);
    });
    return numbers;
  }
  // Returns when it is as safe as can be.
  static void begin(Journal& journal, const KeptRequest& request) {
    std::promise<void> durable;
    journal.begin(request, [&] { durable.set_value(); });
    durable.get_future().wait();
  }

  const TemporaryFolder folder_;
};

TEST_F(JournalTest, TellsOnceOfEachThatItIsSafe) {
  for (const char* fsync : {"always", "interval", "never"}) {
    std::vector<std::uint64_t> durable;  // by the journal's thread alone
    {
      Journal journal(settings(fsync));
      for (std::uint64_t i = 0; i < 100; ++i)
        journal.begin(kept_request(i), [&durable, i] { durable.push_back(i); });
    }
    EXPECT_EQ(durable, found(settings(fsync)));
    EXPECT_EQ(durable.size(), 100u);
    EXPECT_TRUE(std::ranges::is_sorted(durable));
  }
}

TEST_F(JournalTest, KnowsWhoHasEndedAndWhoIsForgotten) {
  {
    Journal journal(settings());
    for (std::uint64_t i = 1; i <= 5; ++i) begin(journal, kept_request(i));
    for (const std::uint64_t ended : {1, 3}) journal.finished(kept_id(ended));
    journal.dropped(kept_id(2));
  }
  Journal again(settings());
  std::vector<std::pair<std::uint64_t, bool>> found;
  again.each_found([&](const Journal::Found& each) {
    EXPECT_EQ(each.request, kept_request(each.request.nonce));
    found.emplace_back(each.request.nonce, each.finished);
  });
  EXPECT_THAT(found, ElementsAre(Pair(4, false), Pair(5, false), Pair(3, true), Pair(1, true)))
      << "first who has to go on, then who ended last";
  again.each_found([](const Journal::Found&) { ADD_FAILURE() << "once"; });
}

TEST_F(JournalTest, WhatIsDroppedWhileTheyAreFoundIsNot) {
  {
    Journal journal(settings("never"), 0);
    for (std::uint64_t i = 1; i <= 3; ++i) begin(journal, kept_request(i));
  }
  Journal again(settings("never"), 0);
  std::vector<std::uint64_t> found;
  again.each_found([&](const Journal::Found& each) {
    found.push_back(each.request.nonce);
    again.dropped(kept_id(2));
    begin(again, kept_request(9));  // by then it is dropped
  });
  EXPECT_THAT(found, ElementsAre(1, 3));
}

TEST_F(JournalTest, WhoIsToldMaySayMore) {
  {
    Journal journal(settings());
    std::promise<void> done;
    journal.begin(kept_request(1), [&] {
      journal.dropped(kept_id(1));
      journal.begin(kept_request(2), [&] { done.set_value(); });
    });
    done.get_future().wait();
  }
  EXPECT_THAT(found(settings()), ElementsAre(2));
}

TEST_F(JournalTest, LargeBodiesAreWrittenInGroups) {
  {
    Journal journal(settings("never"));
    for (std::uint64_t i = 0; i < 5; ++i) journal.begin(kept_request(i, Journal::most_group_bytes), {});
  }
  EXPECT_EQ(found(settings("never")).size(), 5u);
}

TEST_F(JournalTest, StaysAsSmallAsWhatIsNotForgotten) {
  constexpr std::uint64_t most_dropped = 10'000, body = 1000, requests = 1000;
  const auto file = folder_.path() / "never" / JournalFile::name;
  std::uintmax_t largest = 0;
  {
    Journal journal(settings("never"), most_dropped);
    for (std::uint64_t i = 0; i < requests; ++i) {
      begin(journal, kept_request(i, body));
      if (i % 100 != 0) journal.dropped(kept_id(i));
      largest = std::max(largest, file_size(file));
    }
  }
  EXPECT_LT(largest, 5 * most_dropped);
  EXPECT_EQ(found(settings("never")).size(), requests / 100);
}

// Tells through a pipe the number of each request that is safe; drops two of three.
[[noreturn]] void journal_until_killed(const config::JournalSettings& settings, std::uint64_t first,
                                       int told) {
  constexpr std::ptrdiff_t at_a_time = 16;
  constexpr std::uint64_t most_dropped = 5000;
  std::counting_semaphore<at_a_time> slots(at_a_time);
  Journal journal(settings, most_dropped);
  for (std::uint64_t number = first;; ++number) {
    slots.acquire();
    journal.begin(kept_request(number, number % 1000), [&, number] {
      if (write(told, &number, sizeof number) != sizeof number) _exit(1);
      if (number % 3 != 0) journal.dropped(kept_id(number));
      slots.release();
    });
  }
}

// Of a process that is killed when it has told so many.
std::set<std::uint64_t> told_before_death(const config::JournalSettings& settings, std::uint64_t first,
                                          std::size_t count) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const FileDescriptor from(ends[0]);
  FileDescriptor to(ends[1]);
  const pid_t writer = fork();
  if (writer == 0) {
    close(from.get());
    journal_until_killed(settings, first, to.get());
  }
  to = FileDescriptor();
  std::set<std::uint64_t> told;
  for (std::uint64_t number = 0; read(from.get(), &number, sizeof number) == sizeof number;) {
    told.insert(number);
    if (told.size() == count) {
      EXPECT_EQ(kill(writer, SIGKILL), 0);
    }
  }
  int status = 0;
  EXPECT_EQ(waitpid(writer, &status, 0), writer);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  return told;
}

TEST_F(JournalTest, AKillAtAnyMomentLosesNothingThatWasTold) {
  constexpr int kills = 8;
  constexpr std::uint64_t numbers_apart = 1'000'000;  // those of one life and the next
  std::mt19937 random(1);
  for (const char* fsync : {"always", "interval", "never"}) {
    std::set<std::uint64_t> kept;
    for (int life = 0; life < kills; ++life) {
      for (const std::uint64_t number :
           told_before_death(settings(fsync), numbers_apart * std::uint64_t(life), 1 + random() % 300))
        if (number % 3 == 0) kept.insert(number);
      const auto left = found(settings(fsync));
      EXPECT_TRUE(std::ranges::is_sorted(left));
      EXPECT_TRUE(std::ranges::includes(left, kept)) << fsync << ", life " << life;
      JournalFile file(settings(fsync).folder);
      EXPECT_LT(file.dropped_bytes(), file.bytes() / 2 + 50'000) << "it was written anew";
    }
  }
}

// A limit on the size of files stands for the disk.
TEST_F(JournalTest, OnAFullDiskRequestsGoOnWithoutIt) {
  signal(SIGXFSZ, SIG_IGN);
  std::string log;
  {
    Journal journal(settings());
    for (std::uint64_t i = 1; i <= 2; ++i) begin(journal, kept_request(i, 3000));
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    testing::internal::CaptureStderr();
    const rlimit full{file_size(folder_.path() / "interval" / JournalFile::name) + 10, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
    for (std::uint64_t i = 3; i <= 5; ++i) begin(journal, kept_request(i));
    journal.dropped(kept_id(1));
    journal.finished(kept_id(3));
    begin(journal, kept_request(6));
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    begin(journal, kept_request(7));
    log = testing::internal::GetCapturedStderr();
  }
  const auto first = log.find("journal_write_failed");
  EXPECT_NE(first, log.npos);
  EXPECT_EQ(log.find("journal_write_failed", first + 1), log.npos) << "told once: " << log;
  EXPECT_THAT(log, HasSubstr("journal_written_again"));
  EXPECT_THAT(found(settings()), ElementsAre(2, 7));
}

TEST_F(JournalTest, EndsThatCouldNotBeWrittenAreWrittenThoughNobodyElseComes) {
  signal(SIGXFSZ, SIG_IGN);
  const auto file = folder_.path() / "interval" / JournalFile::name;
  for (const bool stays : {false, true}) {  // until it has written them by itself
    std::filesystem::remove(file);
    testing::internal::CaptureStderr();
    {
      Journal journal(settings());
      for (std::uint64_t i = 1; i <= 2; ++i) begin(journal, kept_request(i, 3000));
      const auto before_full = file_size(file);
      rlimit before{};
      ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
      const rlimit full{before_full, before.rlim_max};
      ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
      journal.dropped(kept_id(1));
      begin(journal, kept_request(3));  // by then that could not be written
      ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (stays && file_size(file) == before_full) {
        ASSERT_LT(std::chrono::steady_clock::now(), until);
        std::this_thread::yield();
      }
    }
    testing::internal::GetCapturedStderr();
    EXPECT_THAT(found(settings()), ElementsAre(2));
  }
}

// What was not synced may be lost though a later sync succeeds.
TEST_F(JournalTest, AfterASyncThatFailedAllIsWrittenAnew) {
  const auto inode = [&] {
    struct stat status {};
    EXPECT_EQ(stat((folder_.path() / "always" / JournalFile::name).c_str(), &status), 0);
    return status.st_ino;
  };
  testing::internal::CaptureStderr();
  {
    Journal journal(settings("always"));
    begin(journal, kept_request(1));
    const auto first = inode();
    sync_fails = true;
    begin(journal, kept_request(2));
    begin(journal, kept_request(3));
    EXPECT_EQ(inode(), first) << "nor could it be written anew";
    sync_fails = false;
    begin(journal, kept_request(4));
    const auto second = inode();
    EXPECT_NE(second, first);
    begin(journal, kept_request(5));
    EXPECT_EQ(inode(), second);
  }
  const std::string log = testing::internal::GetCapturedStderr();
  const auto told = log.find("journal_write_failed");
  EXPECT_NE(told, log.npos);
  EXPECT_EQ(log.find("journal_write_failed", told + 1), log.npos) << "once: " << log;
  EXPECT_THAT(log, HasSubstr("journal_written_again"));
  EXPECT_THAT(found(settings("always")), ElementsAre(1, 2, 3, 4, 5));
}

}  // namespace
}  // namespace troupe::actors::edge
