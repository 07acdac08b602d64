// What is left of a journal's file, whatever happens to it.
#include "actors/edge/retries/journal_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>

#include "runtime/base/file.hpp"
#include "tests/actors/edge/retries/kept_requests.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::actors::edge {
namespace {

using std::filesystem::path;
using ::testing::HasSubstr;

// The number of each live request, in order; negative where it is finished.
using Live = std::vector<std::int64_t>;

class JournalFileTest : public testing::Test {
 protected:
  static JournalRecord begun(std::uint64_t number) { return {RequestChange::begun, kept_request(number)}; }
  static JournalRecord finished(std::uint64_t number) {
    return {RequestChange::finished, {.id = kept_id(number)}};
  }
  static JournalRecord dropped(std::uint64_t number) {
    return {RequestChange::dropped, {.id = kept_id(number)}};
  }

  static Live live_of(const JournalFile& journal) {
    Live live;
    for (const std::string& id : journal.ids()) {
      const FoundRequest each = journal.request(id);
      EXPECT_EQ(each.finished, journal.finished(id));
      const auto number = std::int64_t(each.request.nonce);
      EXPECT_EQ(each.request, kept_request(each.request.nonce));
      live.push_back(each.finished ? -number : number);
    }
    return live;
  }
  Live live() const { return live_of(JournalFile(folder_)); }
  std::string error() const {
    return error_of([&] { JournalFile journal(folder_); });
  }
  std::string text() const { return read_file(file_, 1 << 20); }
  void leave(std::string_view text) const {
    std::filesystem::create_directory(folder_);
    temporary_.write("journal/requests.journal", text);
  }
  // A history, one record at a time: how long the file is after each, and who is live then.
  std::map<std::size_t, Live> write_history() const {
    std::map<std::size_t, Live> history;
    const std::vector<std::pair<JournalRecord, Live>> records{
        {begun(1), {1}},       {begun(2), {1, 2}},      {finished(1), {-1, 2}}, {begun(3), {-1, 2, 3}},
        {dropped(2), {-1, 3}}, {finished(3), {-1, -3}}, {dropped(1), {-3}},     {begun(4), {-3, 4}}};
    JournalFile journal(folder_);
    history[text().size()] = {};
    for (const auto& [record, live] : records) {
      journal.write({record});
      history[text().size()] = live;
    }
    return history;
  }
  // Of as many bytes of it.
  static Live at(const std::map<std::size_t, Live>& history, std::size_t bytes) {
    const auto after = history.upper_bound(bytes);
    return after == history.begin() ? Live{} : std::prev(after)->second;
  }

  const TemporaryFolder temporary_;
  const path folder_ = temporary_.path() / "journal", file_ = folder_ / JournalFile::name,
             new_file_ = folder_ / JournalFile::new_name;
};

TEST_F(JournalFileTest, KnowsWhoIsLiveWhenItIsOpenedAgain) {
  EXPECT_EQ(live(), Live{}) << "a new one";
  {
    JournalFile journal(folder_);
    journal.write({begun(1), begun(2), begun(3)});
    journal.write({});
    journal.write({finished(2), dropped(1), begun(4)});
    journal.sync();
    EXPECT_TRUE(journal.has(kept_id(2)));
    EXPECT_FALSE(journal.has(kept_id(1)));
  }
  EXPECT_EQ(live(), (Live{-2, 3, 4}));
  EXPECT_EQ(live(), (Live{-2, 3, 4})) << "to find them takes nothing away";
}

TEST_F(JournalFileTest, WhatIsSaidOfStrangersAndSaidTwiceChangesNothing) {
  {
    JournalFile journal(folder_);
    journal.write({begun(1), finished(1), finished(1), dropped(7), finished(7), dropped(7)});
    journal.write({begun(2), begun(2)});
  }
  EXPECT_EQ(live(), (Live{-1, 2}));
}

TEST_F(JournalFileTest, WhatHasFailedHasNoKey) {
  const JournalRecord failed{RequestChange::failed, {.id = kept_id(1)}};
  ASSERT_NE(kept_request(1).idempotency_key, "");
  const auto expect_no_key = [](const JournalFile& journal) {
    const FoundRequest found = journal.request(kept_id(1));
    EXPECT_TRUE(found.finished);
    EXPECT_EQ(found.request.idempotency_key, "");
    EXPECT_EQ(found.request.body, kept_request(1).body);
    EXPECT_EQ(journal.request(kept_id(3)).request, kept_request(3));
  };
  {
    JournalFile journal(folder_);
    journal.write({begun(1), begun(3), failed, finished(1)});
    expect_no_key(journal);
  }
  JournalFile journal(folder_);
  expect_no_key(journal);
  journal.compact();
  expect_no_key(journal);
  EXPECT_EQ(journal.dropped_bytes(), 0u);
  journal.write({dropped(1)});
  EXPECT_FALSE(journal.has(kept_id(1)));
  EXPECT_EQ(journal.ids(), std::vector{kept_id(3)});
}

TEST_F(JournalFileTest, IsReadUpToWhereItIsCutAtEveryByte) {
  const auto history = write_history();
  const std::string whole = text();
  for (std::size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    leave(std::string_view(whole).substr(0, bytes));
    Live expected = at(history, bytes);
    {
      JournalFile journal(folder_);
      EXPECT_EQ(live_of(journal), expected) << bytes;
      journal.write({begun(9)});
    }
    expected.push_back(9);
    EXPECT_EQ(live(), expected) << "and goes on behind it, " << bytes;
  }
}

TEST_F(JournalFileTest, IsReadUpToAByteThatIsAnother) {
  const auto history = write_history();
  const std::string whole = text();
  const std::size_t header = history.begin()->first;
  for (std::size_t changed = 0; changed < whole.size(); ++changed) {
    std::string text = whole;
    text[changed] = char(text[changed] ^ (1 << changed % 8));
    leave(text);
    if (changed < header) {
      EXPECT_THAT(error(), HasSubstr("is no journal of requests, or damaged at its beginning"));
      EXPECT_EQ(this->text(), text);
    } else {
      EXPECT_EQ(live(), at(history, changed)) << changed;
    }
  }
}

// Any change to any bytes: who is found is who was live at some time.
TEST_F(JournalFileTest, IsABeginningOfItselfWhateverItsBytesBecame) {
  const auto history = write_history();
  const std::string whole = text();
  EXPECT_TRUE(rc::check([&](std::vector<std::pair<std::uint16_t, std::uint8_t>> changes, std::uint16_t lost) {
    std::string text = whole;
    const std::size_t header = history.begin()->first;
    for (const auto& [place, value] : changes) text[header + place % (text.size() - header)] = char(value);
    const std::size_t from = header + lost % (text.size() - header);
    text.erase(from, changes.size());
    leave(text);
    const Live found = live();
    RC_ASSERT(std::ranges::any_of(history, [&](const auto& each) { return each.second == found; }));
  }));
}

TEST_F(JournalFileTest, WhatIsCutOffIsTold) {
  write_history();
  const std::string whole = text();
  leave(whole + "torn");
  testing::internal::CaptureStderr();
  live();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("\"journal_cut\""));
  EXPECT_THAT(log, HasSubstr("\"at_byte\":" + std::to_string(whole.size())));
  EXPECT_THAT(log, HasSubstr("\"bytes_ignored\":4"));
  EXPECT_EQ(text(), whole);
}

TEST_F(JournalFileTest, HasOneProcess) {
  const auto first = std::make_unique<JournalFile>(folder_);
  EXPECT_THAT(error(), HasSubstr("journal: is in use by another process"));
  first->write({begun(1)});
  first->compact();
  EXPECT_THAT(error(), HasSubstr("another --journal")) << "when another file has the name";
}

TEST_F(JournalFileTest, IsOfOneVersion) {
  leave(framed("troupe requests 0") + framed("what this one does not know"));
  EXPECT_THAT(error(), HasSubstr("is of another version of the program"));
}

TEST_F(JournalFileTest, WhatIsSomethingElseIsNotTouched) {
  const std::string precious(1000, 'x');
  leave(precious);
  EXPECT_THAT(error(), HasSubstr("is no journal of requests"));
  EXPECT_EQ(text(), precious);
  std::filesystem::remove(file_);
  std::filesystem::create_symlink("/dev/full", file_);
  EXPECT_THAT(error(), HasSubstr("requests.journal: cannot be opened"));
}

TEST_F(JournalFileTest, AFolderThatCannotBeIsAnError) {
  EXPECT_THAT(error_of([&] { JournalFile journal(temporary_.path() / "no" / "journal"); }),
              HasSubstr("cannot be made: No such file"));
  const path file = temporary_.write("file", "");
  EXPECT_THAT(error_of([&] { JournalFile journal(file); }), HasSubstr("is no folder"));
}

TEST_F(JournalFileTest, IsForItsUserAlone) {
  const auto mode = [](const path& file) {
    struct stat status {};
    EXPECT_EQ(stat(file.c_str(), &status), 0) << file;
    return status.st_mode & 07777;
  };
  const mode_t before = umask(0);
  JournalFile journal(folder_);
  EXPECT_EQ(mode(file_), 0600u);
  journal.compact();
  umask(before);
  EXPECT_EQ(mode(folder_), 0700u);
  EXPECT_EQ(mode(file_), 0600u);
  EXPECT_EQ(mode(folder_ / JournalFile::lock_name), 0600u);
}

TEST_F(JournalFileTest, WrittenAnewItHasTheLiveOnesInTheirOrder) {
  {
    JournalFile journal(folder_);
    for (std::uint64_t i = 1; i <= 100; ++i) journal.write({begun(i)});
    for (std::uint64_t i = 1; i <= 100; ++i)
      if (i % 10 != 0) journal.write({dropped(i)});
    journal.write({finished(50)});
    const std::uint64_t before = journal.bytes(), dropped_before = journal.dropped_bytes();
    EXPECT_GT(dropped_before, before * 9 / 10);
    journal.compact();
    EXPECT_EQ(journal.dropped_bytes(), 0u);
    EXPECT_EQ(journal.bytes(), before - dropped_before);
    EXPECT_EQ(std::filesystem::file_size(file_), journal.bytes());
    EXPECT_FALSE(exists(new_file_));
    journal.write({begun(101), finished(20)});
    journal.compact();
    journal.write({dropped(30)});
  }
  EXPECT_EQ(live(), (Live{10, -20, 40, -50, 60, 70, 80, 90, 100, 101}));
}

TEST_F(JournalFileTest, WhatTheDiskHasNotKeptIsLeftOut) {
  {
    JournalFile journal(folder_);
    journal.write({begun(1)});
    const std::string first = text();
    journal.write({begun(2), begun(3)});
    std::string damaged = text();
    damaged[first.size() + 30] ^= 1;
    std::fstream(file_, std::ios::in | std::ios::out | std::ios::binary) << damaged;
    testing::internal::CaptureStderr();
    journal.compact();
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("\"journal_lost\""));
    EXPECT_FALSE(journal.has(kept_id(2)));
    EXPECT_EQ(journal.dropped_bytes(), 0u);
    journal.write({begun(4)});
  }
  EXPECT_EQ(live(), (Live{1, 3, 4}));
}

TEST_F(JournalFileTest, ADeathWhileItIsWrittenAnewLeavesOneOfTheTwo) {
  const auto history = write_history();
  const std::string before = text();
  {
    JournalFile journal(folder_);
    journal.compact();
  }
  const std::string after = text();
  EXPECT_LT(after.size(), before.size());
  for (std::size_t bytes = 0; bytes <= after.size(); ++bytes) {
    leave(before);
    temporary_.write("journal/requests.journal.new", std::string_view(after).substr(0, bytes));
    EXPECT_EQ(live(), history.rbegin()->second);
    EXPECT_FALSE(exists(new_file_));
  }
  leave(after);
  EXPECT_EQ(live(), history.rbegin()->second);
}

TEST_F(JournalFileTest, WhereItCannotBeWrittenAnewItGoesOnAsItIs) {
  {
    JournalFile journal(folder_);
    journal.write({begun(1), begun(2), dropped(1)});
    std::filesystem::create_directories(new_file_ / "in the way");
    EXPECT_THAT(error_of([&] { journal.compact(); }), HasSubstr("cannot be opened"));
    journal.write({begun(3)});
    std::filesystem::remove_all(new_file_);
    journal.compact();
    journal.write({begun(4)});
  }
  EXPECT_EQ(live(), (Live{2, 3, 4}));
}

// A limit on the size of files stands for the disk.
TEST_F(JournalFileTest, OnAFullDiskNothingIsWrittenAndLaterItGoesOn) {
  signal(SIGXFSZ, SIG_IGN);
  {
    JournalFile journal(folder_);
    journal.write({begun(1)});
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit full{journal.bytes() + 100, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
    const std::string error = error_of([&] { journal.write({dropped(1), begun(2)}); });
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_THAT(error, HasSubstr("cannot be written: File too large"));
    EXPECT_TRUE(journal.has(kept_id(1)));
    EXPECT_FALSE(journal.has(kept_id(2)));
    journal.write({begun(3)});
  }
  EXPECT_EQ(live(), (Live{1, 3}));
}

}  // namespace
}  // namespace troupe::actors::edge
