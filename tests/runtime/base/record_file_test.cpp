#include "runtime/base/record_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include <vector>

#include "runtime/base/file.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe {
namespace {

using Records = std::vector<std::string>;
using testing::HasSubstr;

class RecordFileTest : public testing::Test {
 protected:
  RecordFile opened() const {
    return {FileDescriptor(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)), path_, "make room"};
  }
  static Records read(RecordFile& file) {
    Records records;
    file.read([&](const std::string& record, RecordFile::Place place) {
      EXPECT_EQ(file.frame(place), framed(record));
      EXPECT_EQ(place.offset, file.end());
      records.push_back(record);
      return true;
    });
    return records;
  }
  Records records() const {
    RecordFile file = opened();
    return read(file);
  }
  std::string text() const { return read_file(path_, 1 << 20); }

  const TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "records";
};

TEST_F(RecordFileTest, GivesWhatWasAppended) {
  {
    RecordFile file = opened();
    EXPECT_EQ(read(file), Records{});
    file.append(framed("one") + framed(""));
    file.append(framed(std::string(100'000, '\0')));
    file.sync();
    EXPECT_EQ(file.end(), text().size());
  }
  {
    RecordFile file = opened();
    EXPECT_EQ(read(file).size(), 3u);
    file.append(framed("four"));
  }
  EXPECT_EQ(records(), (Records{"one", "", std::string(100'000, '\0'), "four"}));
}

TEST_F(RecordFileTest, EndsAtARecordThatIsNotWhole) {
  const std::string one = framed("one"), whole = one + framed("two");
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    folder_.write("records", std::string_view(whole).substr(0, bytes));
    const Records expected = bytes < one.size() ? Records{} : Records{"one"};
    RecordFile file = opened();
    EXPECT_EQ(read(file), expected) << bytes;
    EXPECT_EQ(file.size(), bytes);
    file.cut();
    EXPECT_EQ(text().size(), file.end());
  }
}

TEST_F(RecordFileTest, EndsAtARecordThatIsAnother) {
  const std::string one = framed("one"), two = framed("two"), whole = one + two + framed("three");
  for (std::size_t at = one.size(); at < one.size() + two.size(); ++at) {
    std::string changed = whole;
    changed[at] = char(changed[at] ^ 1);
    folder_.write("records", changed);
    EXPECT_EQ(records(), Records{"one"}) << at;
  }
  folder_.write("records", one + std::string(1000, '\0'));
  EXPECT_EQ(records(), Records{"one"}) << "and what a power cut left";
}

TEST_F(RecordFileTest, EndsAtARecordThatIsNotTaken) {
  folder_.write("records", framed("one") + framed("two") + framed("three"));
  {
    RecordFile file = opened();
    file.read([](const std::string& record, RecordFile::Place) { return record != "two"; });
    file.append(framed("second"));
  }
  EXPECT_EQ(records(), (Records{"one", "second"}));
}

TEST_F(RecordFileTest, ASizeBeyondTheFileTakesNoMemory) {
  std::string giant = framed("x");
  for (std::size_t i = 1; i < 5; ++i) giant[i] = '\xff';  // the size, behind the sign of the byte order
  folder_.write("records", giant);
  EXPECT_EQ(records(), Records{});
}

// A limit on the size of files stands for the disk.
TEST_F(RecordFileTest, WhatCouldNotBeWrittenIsWrittenOver) {
  signal(SIGXFSZ, SIG_IGN);
  {
    RecordFile file = opened();
    file.append(framed("one"));
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit full{file.end() + 30, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
    const std::string error = error_of([&] { file.append(framed("two") + framed("three")); });
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_THAT(error, HasSubstr("records: cannot be written: File too large; make room"));
    EXPECT_EQ(text().size(), file.end() + 30);
    file.append(framed("4"));
  }
  EXPECT_EQ(records(), (Records{"one", "4"}));
}

TEST_F(RecordFileTest, WhatIsNoFileIsAnError) {
  EXPECT_THAT(
      error_of([] { RecordFile(FileDescriptor(open("/dev/null", O_RDWR | O_CLOEXEC)), "/dev/null"); }),
      HasSubstr("/dev/null: is no regular file"));
}

}  // namespace
}  // namespace troupe
