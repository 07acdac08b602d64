// What a kill leaves of an output and its journal, at every byte.
#include "launch/batch/batch_output.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "runtime/base/file.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::launch::batch {
namespace {

using std::filesystem::path;
using ::testing::HasSubstr;

constexpr std::size_t most = 1 << 20;
const std::string digest(64, 'a');

class BatchOutputTest : public testing::Test {
 protected:
  std::string output_text() const { return read_file(output_, most); }
  std::string journal_text() const { return read_file(journal_of(output_), most); }
  // As after a kill.
  void leave(const std::string& output, const std::string& journal) const {
    folder_.write("out", output);
    folder_.write("out.journal", journal);
  }
  std::string error() const {
    return error_of([&] { BatchOutput output(output_, digest); });
  }

  const TemporaryFolder folder_;
  const path output_ = folder_.path() / "out";
};

TEST_F(BatchOutputTest, KnowsWhatIsWrittenWhenItIsOpenedAgain) {
  {
    BatchOutput output(output_, digest);
    output.write({{3, "three"}, {1, "one"}});
    output.write({});
    output.write({{7, "seven"}});
    EXPECT_EQ(output.lines(), 3u);
  }
  const BatchOutput again(output_, digest);
  EXPECT_EQ(again.lines(), 3u);
  for (const std::uint64_t line : {1, 3, 7}) EXPECT_TRUE(again.has(line));
  EXPECT_FALSE(again.has(2));
  EXPECT_EQ(output_text(), "three\none\nseven\n");
}

// A write is: bytes of the output, then bytes of the journal; a kill leaves a beginning of that. Whatever it is, lines
// are whole, none is there that the journal does not know, and writing the others completes the output.
TEST_F(BatchOutputTest, AKillAtAnyByteLosesAndDoublesNothing) {
  std::string began, half_output, half_journal, whole_journal;
  {
    BatchOutput output(output_, digest);
    began = journal_text();
    output.write({{1, "one"}});
    half_output = output_text();
    half_journal = journal_text();
    output.write({{2, "two"}, {3, "three"}});
    whole_journal = journal_text();
  }
  const std::string whole_output = output_text();
  const auto goes_on = [&](const std::string& output, const std::string& journal) {
    leave(output, journal);
    BatchOutput again(output_, digest);
    std::vector<OutputLine> rest;
    for (const auto& [number, text] : {std::pair(1, "one"), std::pair(2, "two"), std::pair(3, "three")})
      if (!again.has(std::uint64_t(number))) rest.push_back({std::uint64_t(number), text});
    again.write(rest);
    EXPECT_EQ(output_text(), whole_output);
    return rest.size();
  };
  for (std::size_t bytes = 0; bytes <= began.size(); ++bytes)
    EXPECT_EQ(goes_on("", began.substr(0, bytes)), 3u);
  for (std::size_t bytes = 0; bytes <= half_output.size(); ++bytes)
    EXPECT_EQ(goes_on(half_output.substr(0, bytes), began), 3u);
  for (std::size_t bytes = began.size(); bytes < half_journal.size(); ++bytes)
    EXPECT_EQ(goes_on(half_output, half_journal.substr(0, bytes)), 3u);
  for (std::size_t bytes = half_output.size(); bytes <= whole_output.size(); ++bytes)
    EXPECT_EQ(goes_on(whole_output.substr(0, bytes), half_journal), 2u);
  const std::size_t record = half_journal.size() - began.size();
  for (std::size_t bytes = half_journal.size(); bytes <= whole_journal.size(); ++bytes)
    EXPECT_EQ(goes_on(whole_output, whole_journal.substr(0, bytes)),
              2 - (bytes - half_journal.size()) / record);
}

// A machine that lost its power may leave a record of the right length and the wrong bytes.
TEST_F(BatchOutputTest, ARecordThatIsNotItselfEndsTheJournal) {
  std::string one, two;
  {
    BatchOutput output(output_, digest);
    output.write({{1, "one"}});
    one = journal_text();
    output.write({{2, "two"}});
    two = journal_text();
  }
  for (std::size_t at = one.size(); at < two.size(); ++at) {
    std::string changed = two;
    changed[at] = char(changed[at] ^ 1);
    leave("one\ntwo\n", changed);
    const BatchOutput output(output_, digest);
    EXPECT_EQ(output.lines(), 1u) << at;
    EXPECT_EQ(output_text(), "one\n");
  }
}

TEST_F(BatchOutputTest, IsOfOneInput) {
  BatchOutput(output_, digest).write({{1, "one"}});
  EXPECT_THAT(error_of([&] { BatchOutput output(output_, std::string(64, 'b')); }),
              HasSubstr("the input has changed since"));
  EXPECT_EQ(output_text(), "one\n");
}

TEST_F(BatchOutputTest, WhatIsThereAlreadyIsNotTouched) {
  folder_.write("out", "precious\n");
  for (int i = 0; i < 2; ++i) EXPECT_THAT(error(), HasSubstr("is there already, and no journal of it"));
  EXPECT_EQ(output_text(), "precious\n");
  EXPECT_FALSE(exists(journal_of(output_)));
}

TEST_F(BatchOutputTest, AnOutputThatLostBytesIsAnError) {
  BatchOutput(output_, digest).write({{1, "one"}, {2, "two"}});
  folder_.write("out", "one\ntw");
  EXPECT_THAT(error(), HasSubstr("is shorter than its journal says"));
  std::filesystem::remove(output_);
  EXPECT_THAT(error(), HasSubstr("is shorter than its journal says"));
}

TEST_F(BatchOutputTest, HasOneWriter) {
  const BatchOutput output(output_, digest);
  EXPECT_THAT(error(), HasSubstr("is in use by another process"));
}

TEST_F(BatchOutputTest, AJournalOfSomethingElseIsAnError) {
  folder_.write("out.journal", std::string(300, 'x'));
  EXPECT_THAT(error(), HasSubstr("is the journal of another input"));
}

TEST_F(BatchOutputTest, AJournalThatIsNoFileIsAnError) {
  std::filesystem::create_symlink("/dev/full", journal_of(output_));
  EXPECT_THAT(error(), HasSubstr("out.journal"));
}

// A limit on the size of files stands for the disk.
TEST_F(BatchOutputTest, AFullDiskIsAnErrorAndTheBatchGoesOnLater) {
  const OutputLine small{1, "one"}, large{2, std::string(1000, 'x')};
  rlimit before{};
  {
    BatchOutput output(output_, digest);
    output.write({small});
    signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit full{500, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
    const std::string error = error_of([&] { output.write({large}); });
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_THAT(error, HasSubstr("cannot be written: File too large"));
  }
  EXPECT_EQ(std::filesystem::file_size(output_), 500u);
  BatchOutput again(output_, digest);
  EXPECT_EQ(output_text(), "one\n");
  again.write({large});
  EXPECT_EQ(output_text(), "one\n" + large.text + "\n");
}

}  // namespace
}  // namespace troupe::launch::batch
