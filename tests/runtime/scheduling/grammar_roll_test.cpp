#include "runtime/scheduling/grammar_roll.hpp"

#include <gmock/gmock.h>

namespace troupe::runtime {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

const GrammarSpec spec{.kind = GrammarSpec::Kind::regex, .text = "a+"};
const GrammarId id = grammar_id(spec);

TEST(GrammarRoll, ASequenceIsReadyWhenAllRanksAre) {
  GrammarRoll roll;
  EXPECT_FALSE(roll.add(1, id, spec).ready);  // there are no ranks yet
  roll.meet(2);
  EXPECT_THAT(roll.sequences(), ElementsAre(1));
  EXPECT_THAT(roll.tellings(), ElementsAre(Field(&GrammarRoll::Telling::grammar, spec)));
  EXPECT_THAT(roll.ready(id, 0), IsEmpty());
  EXPECT_THAT(roll.ready(id, 0), IsEmpty());
  EXPECT_THAT(roll.ready(id, 1), ElementsAre(1));
  const auto second = roll.add(2, id, spec);
  EXPECT_TRUE(second.ready && second.told);
}

TEST(GrammarRoll, OtherRanksMustBeToldAgain) {
  GrammarRoll roll;
  roll.meet(1);
  EXPECT_FALSE(roll.add(1, id, spec).told);
  roll.ready(id, 0);
  roll.meet(1);
  const auto added = roll.add(2, id, spec);
  EXPECT_TRUE(!added.ready && added.told);
  EXPECT_THAT(roll.ready(id, 0), ElementsAre(1, 2));
}

TEST(GrammarRoll, AwaitsAnswersToWhatItToldLast) {
  GrammarRoll roll;
  roll.meet(1);
  const auto first = roll.add(1, id, spec);
  EXPECT_EQ(roll.add(2, id, spec).telling, first.telling);
  EXPECT_TRUE(roll.awaits(id, first.telling));
  roll.meet(2);
  const std::uint64_t second = roll.tellings().at(0).number;
  EXPECT_FALSE(roll.awaits(id, first.telling));
  EXPECT_TRUE(roll.awaits(id, second));
  roll.remove(1);
  roll.remove(2);
  EXPECT_FALSE(roll.awaits(id, first.telling) || roll.awaits(id, second));
  EXPECT_TRUE(roll.awaits(id, roll.add(3, id, spec).telling));
}

TEST(GrammarRoll, AGrammarIsForgottenWithItsLastSequence) {
  GrammarRoll roll;
  roll.meet(1);
  roll.add(1, id, spec);
  roll.add(2, id, spec);
  EXPECT_FALSE(roll.remove(1));
  EXPECT_FALSE(roll.remove(7));
  EXPECT_EQ(roll.remove(2), id);
  EXPECT_THAT(roll.tellings(), IsEmpty());
  EXPECT_THAT(roll.ready(id, 0), IsEmpty());
  EXPECT_THAT(roll.ready(id, 9), IsEmpty());
}

}  // namespace
}  // namespace troupe::runtime
