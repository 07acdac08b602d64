#include "model/text/token_ids.hpp"

#include <gmock/gmock.h>

#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::vector<TokenId> ids(const json& field) {
  return read_token_ids(JsonValue(field, "file", "ids"), 10);
}

TEST(TokenIds, AreOneOrAList) {
  EXPECT_EQ(ids(9), std::vector<TokenId>{9});
  EXPECT_EQ(ids({3, 1}), (std::vector<TokenId>{3, 1}));
  EXPECT_EQ(ids(nullptr), std::vector<TokenId>{});
}

TEST(TokenIds, LieInTheVocabulary) {
  for (const char* wrong : {"10", "-1", "\"1\"", "1.0", "{}"})
    EXPECT_THAT(error_of([&] { ids(json::parse(wrong)); }), HasSubstr("file: ids ")) << wrong;
  for (const char* wrong : {"[2, 10]", "[2, [1]]", "[2, null]", "[2, 1.0]"})
    EXPECT_THAT(error_of([&] { ids(json::parse(wrong)); }), HasSubstr("file: ids[1] ")) << wrong;
}

TEST(TokenIds, AreNotTooMany) {
  EXPECT_EQ(ids(std::vector<int>(max_token_id_list, 1)).size(), max_token_id_list);
  EXPECT_THAT(error_of([] { ids(std::vector<int>(max_token_id_list + 1, 1)); }),
              HasSubstr("max_token_id_list"));
}

}  // namespace
}  // namespace troupe::model
