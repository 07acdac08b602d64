#include "model/checkpoint/checkpoint_digest.hpp"

#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

namespace fs = std::filesystem;

std::string digest_of(const fs::path& folder) {
  return checkpoint_digest(Checkpoint::open(folder));
}

TEST(CheckpointDigest, IsThatOfTheConfigAndTheListOfTensors) {
  const std::string demo = digest_of(DEMO_MODEL);
  EXPECT_EQ(demo.size(), 64u);
  EXPECT_EQ(demo.find_first_not_of("0123456789abcdef"), demo.npos);
  const TemporaryFolder folder;
  fs::create_symlink(fs::absolute(fs::path(DEMO_MODEL) / "model.safetensors"),
                     folder.path() / "model.safetensors");
  const std::string config = read_file(fs::path(DEMO_MODEL) / "config.json");
  folder.write("config.json", config);
  EXPECT_EQ(digest_of(folder.path()), demo);
  folder.write("config.json", config + "\n");
  EXPECT_NE(digest_of(folder.path()), demo);
}

}  // namespace
}  // namespace troupe::model
