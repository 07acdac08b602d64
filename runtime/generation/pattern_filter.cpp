#include "runtime/generation/pattern_filter.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/base/digest.hpp"
#include "runtime/base/utf8.hpp"

namespace troupe::runtime {
namespace {

using Outcome = FilterPattern::Outcome;

constexpr std::size_t most_told = 4096;  // bytes that are told and kept, before they are let go

class PatternText final : public FilteredText {
 public:
  PatternText(const PatternFilter::Rules& rules, bool may_change)
      : rules_(rules), may_change_(may_change), progress_(rules.size()) {
    for (const auto& rule : rules) lookbehind_ = std::max(lookbehind_, rule->pattern.lookbehind());
  }

  std::string push(std::string_view text) override {
    if (stopped_) return {};
    text_ += text;
    return tell();
  }
  std::string finish() override {
    if (stopped_) return {};
    ended_ = true;
    return tell();
  }
  bool holds() const override { return told_ < text_.size(); }
  bool stopped() const override { return stopped_; }
  std::vector<FilterMatch> take_matches() override { return std::exchange(matches_, {}); }

 private:
  // How far a rule has come; places in text_.
  struct Progress {
    std::size_t from = 0;  // before it no match of the rule begins
    Outcome outcome = Outcome::nothing;
    std::size_t end = 0;  // of a match at `from`
  };

  // All that the rule may see of what begins at `from`, as far as it is there.
  std::string_view window(const FilterRule& rule, std::size_t from) const {
    std::size_t end = text_.size();
    if (end - from > rule.hold_back) end = character_to(text_, from + rule.hold_back);
    return std::string_view(text_).substr(0, end);
  }
  bool is_whole(const FilterRule& rule, std::size_t from) const {
    return ended_ || text_.size() - from >= rule.hold_back;
  }

  // Up to the first place where the rule matches, or may match when more has come. Each place is decided by its window
  // alone: early, if whatever follows changes nothing, or once the window is whole.
  void advance(const FilterRule& rule, Progress& p) const {
    if (p.outcome == Outcome::match || p.outcome == Outcome::too_hard) return;
    p.outcome = Outcome::nothing;
    while (p.from < text_.size()) {
      const std::string_view seen = window(rule, p.from);
      FilterPattern::Found found = rule.pattern.search(seen, p.from, begins_);
      if (found.outcome == Outcome::nothing) {
        p.from = seen.size();
        continue;
      }
      p.from = found.begin;  // of one that was too hard: nobody knows the place
      if (found.outcome != Outcome::match) {
        if (p.from == text_.size()) return;
        if (const auto wider = window(rule, p.from); wider.size() > seen.size()) continue;
        if (!is_whole(rule, p.from)) return void(p.outcome = Outcome::open);
        found = rule.pattern.match_at(seen, p.from, begins_);
      }
      if (found.outcome == Outcome::nothing) {
        p.from = character_from(text_, p.from + 1);
        continue;
      }
      p.outcome = found.outcome;
      p.end = found.end;
      return;
    }
  }

  std::string tell() {
    std::string out;
    while (!stopped_) {
      std::size_t place = text_.size(), first = rules_.size();
      for (std::size_t i = 0; i < rules_.size(); ++i) {
        advance(*rules_[i], progress_[i]);
        if (progress_[i].from < place) place = progress_[i].from, first = i;
      }
      out.append(text_, told_, place - told_);
      told_ = place;
      if (first == rules_.size() || progress_[first].outcome == Outcome::open) break;
      obey(*rules_[first], progress_[first], out);
    }
    forget();
    return out;
  }

  void obey(const FilterRule& rule, const Progress& found, std::string& out) {
    const bool hard = found.outcome == Outcome::too_hard;
    stopped_ = hard || !rule.masks || !may_change_;
    matches_.push_back({rule.filter, hard       ? FilterAction::limit
                                     : stopped_ ? FilterAction::stop
                                                : FilterAction::mask});
    told_ = stopped_ ? text_.size() : found.end;
    if (stopped_) return;
    out += rule.replacement;
    for (Progress& each : progress_)
      if (each.from < told_) each = {.from = told_};
  }

  // What is told, but for what matches may look back at.
  void forget() {
    if (stopped_) text_.clear(), told_ = 0;
    if (told_ < lookbehind_ + most_told) return;
    const std::size_t gone = character_to(text_, told_ - lookbehind_);
    text_.erase(0, gone);
    told_ -= gone;
    for (Progress& each : progress_) each.from -= gone, each.end -= std::min(each.end, gone);
    begins_ = false;
  }

  const PatternFilter::Rules& rules_;
  const bool may_change_;
  std::vector<Progress> progress_;  // by rule
  std::size_t lookbehind_ = 0;      // bytes, of all rules
  std::string text_;                // what is not told, and before it what rules may look back at
  std::size_t told_ = 0;            // up to here
  bool begins_ = true;              // text_ does where the part does
  bool ended_ = false, stopped_ = false;
  std::vector<FilterMatch> matches_;
};

}  // namespace

std::string_view to_string(FilterAction action) {
  switch (action) {
    case FilterAction::stop:
      return "stop";
    case FilterAction::mask:
      return "mask";
    case FilterAction::limit:
      return "limit";
  }
  return "";
}

std::unique_ptr<FilteredText> PatternFilter::begin(bool may_change) const {
  return std::make_unique<PatternText>(rules_, may_change);
}

std::string PatternFilter::digest() const {
  std::string all;
  // With their sizes, so that no two lists of rules read alike.
  for (const auto& rule : rules_)
    for (const std::string& each :
         {rule->source, rule->masks ? "mask " + rule->replacement : std::string("stop"),
          std::to_string(rule->hold_back)})
      all += std::to_string(each.size()) + ":" + each;
  return sha256_hex(all);
}

}  // namespace troupe::runtime
