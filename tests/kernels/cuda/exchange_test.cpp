// The kernels that bring into order what ranks exchange, against plain loops. The ranks take turns on one GPU, and what
// goes from one to another the test carries.
#include "kernels/cuda/exchange.hpp"

#include <gmock/gmock.h>

#include "kernels/cuda/cuda_queue.hpp"
#include "tests/kernels/cuda/exchange_scene.hpp"
#include "tests/kernels/fixture.hpp"

namespace troupe::kernels::cuda {
namespace {

using testing::HasSubstr;

class Exchange : public testing::Test {
 protected:
  template <class T>
  T* on_device(const std::vector<T>& values) {
    void* const there =
        memory_.emplace_back(gpu_->allocate(std::max<std::size_t>(values.size() * sizeof(T), 1))).get();
    gpu_->upload(there, values.data(), values.size() * sizeof(T));
    return static_cast<T*>(there);
  }
  // Marked, so that it shows where nobody writes.
  template <class T>
  T* room(std::int64_t n) {
    return on_device(std::vector<T>(std::size_t(n), T(-1)));
  }
  template <class T>
  std::vector<T> read(const T* from, std::int64_t n) {
    std::vector<T> values(static_cast<std::size_t>(n));
    queue_.copy_out(values.data(), from, values.size() * sizeof(T));
    queue_.wait(TimePoint::max());
    return values;
  }
  // It begins with these, and behind them nobody has written.
  template <class T>
  void expect(const T* there, std::int64_t n, std::vector<T> first) {
    first.resize(std::size_t(n), T(-1));
    EXPECT_EQ(read(there, n), first);
  }
  std::string failure() {
    try {
      queue_.wait(TimePoint::max());
      return "none";
    } catch (const DeviceError& failed) {
      return failed.fault.kernels;
    }
  }

  ExpertHolders on_device(const std::vector<Ints>& holders) {
    Ints first{0}, ranks;
    for (const Ints& each : holders) {
      ranks.insert(ranks.end(), each.begin(), each.end());
      first.push_back(std::int32_t(ranks.size()));
    }
    return {on_device(first), on_device(ranks), int(holders.size())};
  }

  Words pack(const Scene& scene, int rank) {
    const TokenMessage& m = scene.message;
    const Brought& mine = scene.brought[std::size_t(rank)];
    auto* const out = room<std::uint32_t>(m.words());
    queue_.launch({.x = m.most}, PackTokens{.message = m,
                                            .tokens = mine.tokens,
                                            .choices = on_device(mine.choices),
                                            .experts = scene.experts,
                                            .rows = on_device(mine.rows),
                                            .out = out});
    return read(out, m.words());
  }
  Words pack_all(const Scene& scene) {
    Words all;
    for (int rank = 0; rank < scene.ranks; ++rank) {
      const Words one = pack(scene, rank);
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

  struct Listed {
    std::int32_t *visit_rows, *visit_experts, *counts, *row_token, *visit_of;
  };
  Listed list(const Scene& scene, const std::uint32_t* all, int rank) {
    const std::int64_t tokens = scene.ranks * scene.message.most, visits = tokens * scene.message.slots;
    const Listed listed{room<std::int32_t>(visits), room<std::int32_t>(visits), room<std::int32_t>(2),
                        room<std::int32_t>(tokens), room<std::int32_t>(visits)};
    queue_.launch({}, ListArrivals{.message = scene.message,
                                   .all = all,
                                   .ranks = scene.ranks,
                                   .rank = rank,
                                   .holders = on_device(scene.holders),
                                   .visit_rows = listed.visit_rows,
                                   .visit_experts = listed.visit_experts,
                                   .counts = listed.counts,
                                   .row_token = listed.row_token,
                                   .visit_of = listed.visit_of,
                                   .nonsense = nonsense()});
    return listed;
  }
  std::int32_t* nonsense() const { return static_cast<std::int32_t*>(nonsense_.get()); }

  GpuUnderTest device_{{.seed = ops_under_test.seed}};
  std::shared_ptr<Gpu> gpu_ = GpuUnderTest::gpu();
  CudaQueue queue_{gpu_};
  std::vector<std::shared_ptr<void>> memory_;
  const std::shared_ptr<void> nonsense_ = gpu_->allocate_pinned(sizeof(std::int32_t));
};

TEST_F(Exchange, AMessageHasARanksChoicesAndRows) {
  const Scene scene(1, 2, 9);
  for (int rank = 0; rank < 2; ++rank) {
    Words expected;
    for (std::int64_t token = 0; token < 9; ++token)
      for (int slot = 0; slot < scene.message.slots; ++slot)
        expected.push_back(std::uint32_t(scene.choice(rank, token, slot)));
    const Words& rows = scene.brought[std::size_t(rank)].rows;
    expected.insert(expected.end(), rows.begin(), rows.end());
    expected.resize(std::size_t(scene.message.words()), ~0u);
    EXPECT_EQ(pack(scene, rank), expected);
  }
}

// 404 tokens are more than the threads that list them.
TEST_F(Exchange, EveryVisitArrivesInOrderOfRanksTokensAndSlots) {
  for (const auto& [ranks, most] : {std::pair{1, 6}, {2, 9}, {4, 101}}) {
    const Scene scene(unsigned(ranks), ranks, most);
    const std::int64_t tokens = ranks * scene.message.most, visits = tokens * scene.message.slots;
    auto* const all = on_device(pack_all(scene));
    for (int rank = 0; rank < ranks; ++rank) {
      *nonsense() = 0;
      const Listed listed = list(scene, all, rank);
      auto* const rows = room<std::uint32_t>(tokens * scene.message.row_words);
      queue_.launch({.x = tokens}, TakeRows{.message = scene.message,
                                            .all = all,
                                            .row_token = listed.row_token,
                                            .counts = listed.counts,
                                            .rows = rows});
      const Arrived expected = scene.arrived(rank);
      expect(listed.counts, 2,
             {std::int32_t(expected.row_token.size()), std::int32_t(expected.visit_rows.size())});
      expect(listed.visit_rows, visits, expected.visit_rows);
      expect(listed.visit_experts, visits, expected.visit_experts);
      expect(listed.row_token, tokens, expected.row_token);
      expect(listed.visit_of, visits, expected.visit_of);
      expect(rows, tokens * scene.message.row_words, expected.rows);
      EXPECT_EQ(*nonsense(), 0);
    }
  }
}

// The result of a slot is a row of a number that no other has.
std::uint32_t number_of(const TokenMessage& m, int source, std::int64_t token, int slot) {
  return std::uint32_t((source * m.most + token) * m.slots + slot);
}

// What a rank has computed, and where: see PackResults.
struct Computed {
  Words results;
  Ints visit_of;
};
Computed computed(const Scene& scene, int rank) {
  const TokenMessage& m = scene.message;
  Computed all;
  std::int32_t visits = 0;
  for (int source = 0; source < scene.ranks; ++source)
    for (std::int64_t token = 0; token < m.most; ++token)
      for (int slot = 0; slot < m.slots; ++slot) {
        const bool mine = scene.owner(source, token, slot) == rank;
        all.visit_of.push_back(mine ? visits++ : -1);
        if (mine)
          all.results.insert(all.results.end(), std::size_t(m.row_words), number_of(m, source, token, slot));
      }
  return all;
}

// What it then sends of these slots.
Words sent(const Scene& scene, int rank, int first, int slots) {
  const TokenMessage& m = scene.message;
  Words all;
  for (int source = 0; source < scene.ranks; ++source)
    for (std::int64_t token = 0; token < m.most; ++token)
      for (int slot = first; slot < first + slots; ++slot)
        all.insert(all.end(), std::size_t(m.row_words),
                   scene.owner(source, token, slot) == rank ? number_of(m, source, token, slot) : ~0u);
  return all;
}

constexpr std::pair<int, int> rounds[] = {{0, 2}, {2, 1}};  // of slots: the first one, and how many

TEST_F(Exchange, ResultsArePackedWhereTheirSlotsAre) {
  for (const int ranks : {1, 2, 4}) {
    const Scene scene(unsigned(10 + ranks), ranks, 8);
    const TokenMessage& m = scene.message;
    for (int rank = 0; rank < ranks; ++rank)
      for (const auto& [first, slots] : rounds) {
        const Computed mine = computed(scene, rank);
        auto* const out = room<std::uint32_t>(ranks * m.most * slots * m.row_words);
        queue_.launch({.x = ranks * m.most * slots}, PackResults{.message = m,
                                                                 .first_slot = first,
                                                                 .slots = slots,
                                                                 .visit_of = on_device(mine.visit_of),
                                                                 .results = on_device(mine.results),
                                                                 .out = out});
        expect(out, ranks * m.most * slots * m.row_words, sent(scene, rank, first, slots));
      }
  }
}

TEST_F(Exchange, EveryResultComesHome) {
  for (const int ranks : {1, 2, 4}) {
    const Scene scene(unsigned(10 + ranks), ranks, 8);
    const TokenMessage& m = scene.message;
    for (int rank = 0; rank < ranks; ++rank) {
      const Brought& mine = scene.brought[std::size_t(rank)];
      const std::int64_t words = mine.tokens * m.slots * m.row_words;
      auto* const home = room<std::uint32_t>(words);
      for (const auto& [first, slots] : rounds) {
        const std::int64_t part = m.most * slots * m.row_words;  // from a rank to a rank
        Words arrived;
        for (int from = 0; from < ranks; ++from) {
          const Words all = sent(scene, from, first, slots);
          arrived.insert(arrived.end(), all.begin() + rank * part, all.begin() + (rank + 1) * part);
        }
        queue_.launch({.x = mine.tokens * slots}, TakeResults{.message = m,
                                                              .first_slot = first,
                                                              .slots = slots,
                                                              .choices = on_device(mine.choices),
                                                              .rank = rank,
                                                              .holders = on_device(scene.holders),
                                                              .arrived = on_device(arrived),
                                                              .out = home});
      }
      Words expected;
      for (std::int64_t token = 0; token < mine.tokens; ++token)
        for (int slot = 0; slot < m.slots; ++slot)
          expected.insert(expected.end(), std::size_t(m.row_words), number_of(m, rank, token, slot));
      expect(home, words, expected);
    }
  }
}

// Of another rank; it is named, and visits nobody.
TEST_F(Exchange, AChoiceThatIsNoExpertVisitsNobody) {
  for (const std::int32_t strange : {7, 1 << 30, -2}) {
    Scene scene(3, 2, 4);
    Words all = pack_all(scene);
    const std::int64_t at = scene.message.slots + 1;  // of rank 0: the second token's second slot
    scene.brought[0].choices[std::size_t(at)] = strange;
    all[std::size_t(at)] = std::uint32_t(strange);
    for (int rank = 0; rank < 2; ++rank) {
      *nonsense() = 0;
      const Listed listed = list(scene, on_device(all), rank);
      const Arrived expected = scene.arrived(rank);
      expect(listed.visit_experts, 2 * 4 * scene.message.slots, expected.visit_experts);
      EXPECT_EQ(*nonsense(), 1);
    }
    auto* const home = room<std::uint32_t>(4 * scene.message.slots * scene.message.row_words);
    const std::int64_t words = 2 * 4 * scene.message.slots * scene.message.row_words;
    queue_.launch({.x = 4 * scene.message.slots},
                  TakeResults{.message = scene.message,
                              .first_slot = 0,
                              .slots = scene.message.slots,
                              .choices = on_device(scene.brought[0].choices),
                              .rank = 0,
                              .holders = on_device(scene.holders),
                              .arrived = on_device(Words(std::size_t(words), 5)),
                              .out = home});
    Words expected(std::size_t(words / 2), 5);
    std::fill_n(expected.begin() + at * scene.message.row_words, scene.message.row_words, ~0u);
    expect(home, words / 2, expected);
  }
}

TEST_F(Exchange, ARanksOwnChoiceThatIsNoExpertFailsItsGpu) {
  if (tests_run_on_a_real_gpu()) GTEST_SKIP() << "it is of no more use then";
  Scene scene(4, 1, 4);
  scene.brought[0].choices[5] = scene.experts;
  EXPECT_THROW(pack(scene, 0), DeviceError);
  EXPECT_THAT(device_.fault().value(), HasSubstr("expert < k.experts"));
}

float sum_along_the_tree(const std::vector<Array<float>>& parts, std::size_t first, std::size_t count,
                         std::int64_t i) {
  if (count == 1) return parts[first][i];
  return sum_along_the_tree(parts, first, count / 2, i) +
         sum_along_the_tree(parts, first + count / 2, count / 2, i);
}

TEST_F(Exchange, PartsOfAnyNumberOfRanksAreAddedUpAlongTheTree) {
  constexpr std::int64_t count = 300;
  for (int ranks = 1; ranks <= most_exchanging_ranks; ranks *= 2) {
    std::vector<Array<float>> parts;
    std::vector<float> together, expected;
    for (int rank = 0; rank < ranks; ++rank) {
      parts.push_back(random_array({count}, unsigned(rank), std::ldexp(1.0f, rank % 9)));
      together.insert(together.end(), parts.back().data.begin(), parts.back().data.begin() + count);
    }
    for (std::int64_t i = 0; i < count; ++i)
      expected.push_back(sum_along_the_tree(parts, 0, parts.size(), i));
    auto* const out = room<float>(count + 1);
    queue_.launch({.x = 2}, TreeSum{on_device(together), ranks, count, out});
    expect(out, count + 1, expected);
  }
}

TEST_F(Exchange, PartsOfRanksThatAreNoPowerOfTwoFailTheGpu) {
  if (tests_run_on_a_real_gpu()) GTEST_SKIP() << "it is of no more use then";
  queue_.launch({}, TreeSum{room<float>(3), 3, 1, room<float>(1)});
  EXPECT_EQ(failure(), "tree_sum");
}

}  // namespace
}  // namespace troupe::kernels::cuda
