// A replica whose every word the test speaks: the other side of actors/service.hpp. The test's thread is the
// replica's thread; each wait has a deadline, after which it throws.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "actors/service.hpp"

namespace troupe::actors::edge {

class ScriptedGeneration {
 public:
  static constexpr std::chrono::seconds deadline{20};

  ScriptedGeneration(runtime::GenerationRequest request, std::shared_ptr<GenerationSink> sink)
      : request(std::move(request)), sink_(std::move(sink)) {
    if (this->request.unpaced) credit_ = std::numeric_limits<std::int32_t>::max();
  }

  const runtime::GenerationRequest request;

  void emit(runtime::Delta delta) {
    if (!try_emit(std::move(delta), deadline)) throw std::runtime_error("no credit");
  }
  // false: there was no credit for so long.
  bool try_emit(runtime::Delta delta, std::chrono::milliseconds patience) {
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait_for(lock, patience, [this] { return credit_ > 0; })) return false;
      --credit_;
    }
    sink_->on_delta(std::move(delta));
    return true;
  }
  void text(std::int32_t choice, std::string content) {
    runtime::Delta delta;
    delta.choice = choice;
    delta.content = std::move(content);
    emit(std::move(delta));
  }
  void finish(std::int32_t choice, runtime::ChoiceEnd how = runtime::ChoiceEnd::stop) {
    runtime::Delta delta;
    delta.choice = choice;
    delta.finish = how;
    emit(std::move(delta));
  }
  Expected<void> count(std::int64_t prompt_tokens, std::int64_t most_output_tokens) {
    return sink_->on_counted(prompt_tokens, most_output_tokens);
  }
  void accept(runtime::Usage prompts) { sink_->on_accepted(prompts); }
  void end(runtime::Usage usage) { sink_->on_end(usage); }
  void fail(Refusal refusal) { sink_->on_failure(std::move(refusal)); }

  void wait_credit(std::int32_t exactly) {
    wait([&] { return credit_ == exactly; }, "credit");
  }
  void wait_cancelled() {
    wait([this] { return cancelled_ > 0; }, "cancel");
  }
  void wait_destroyed() {
    wait([this] { return destroyed_; }, "destruction");
  }
  int cancelled() {
    const std::lock_guard lock(mutex_);
    return cancelled_;
  }

  void add_credit(std::int32_t deltas) {
    change([&] { credit_ += deltas; });
  }
  // It has not begun.
  void withdraw(Refusal why) {
    if (!begun) fail(std::move(why));
  }
  std::atomic<bool> begun = false;
  void add_cancel() {
    change([this] { ++cancelled_; });
  }
  void mark_destroyed() {
    change([this] { destroyed_ = true; });
  }

 private:
  template <class Change>
  void change(Change apply) {
    const std::lock_guard lock(mutex_);
    apply();
    changed_.notify_all();
  }
  template <class Condition>
  void wait(Condition condition, const char* what) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, deadline, condition))
      throw std::runtime_error(std::string("waited for ") + what);
  }

  std::shared_ptr<GenerationSink> sink_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int32_t credit_ = 0;
  int cancelled_ = 0;
  bool destroyed_ = false;
};

class ScriptedService final : public Service {
 public:
  ScriptedService() {
    model_ = {{"demo", "org/demo two"}, "demo-folder", 2048, 1700000000, "fp_demo",
              "DemoForCausalLM",        1000,          true, true,       "d1ge57"};
  }

  std::unique_ptr<GenerationHandle> generate(runtime::GenerationRequest request,
                                             std::shared_ptr<GenerationSink> sink) override {
    if (throws) throw Error("gone", "replica");
    const auto made = std::make_shared<ScriptedGeneration>(std::move(request), std::move(sink));
    const std::lock_guard lock(mutex_);
    waiting_.push_back(made);
    arrived_.notify_all();
    return std::make_unique<Handle>(made);
  }
  // A text's tokens are its bytes, behind a 1 where special tokens are asked for; a chat's are those of its messages.
  void tokenize(runtime::GenerationRequest request, Done<std::vector<TokenId>> done) override {
    if (throws) throw Error("gone", "replica");
    note_caller(request.caller);
    answer_elsewhere([request = std::move(request), done = std::move(done)] {
      const runtime::Prompt& prompt = request.prompts.front();
      const auto* chat = std::get_if<runtime::ChatPrompt>(&prompt);
      std::string text =
          chat ? chat->messages.dump() + chat->template_kwargs.dump() : std::get<std::string>(prompt);
      if (request.add_special_tokens.value_or(false)) text.insert(0, "\1");
      if (text.ends_with("too long")) return done(refuse("The prompt is too long.", "prompt"));
      done(std::vector<TokenId>(text.begin(), text.end()));
    });
  }
  void detokenize(std::vector<TokenId> tokens, std::string caller, Done<std::string> done) override {
    note_caller(std::move(caller));
    answer_elsewhere([tokens = std::move(tokens), done = std::move(done)] {
      if (std::ranges::any_of(tokens, [](TokenId each) { return each > 255; }))
        return done(refuse("There is no such token.", "tokens"));
      done(std::string(tokens.begin(), tokens.end()));
    });
  }
  std::string vocabulary_entry(TokenId token) const override { return "entry " + std::to_string(token); }
  std::int64_t load() const override { return 3; }
  const ModelInfo& model() const override { return model_; }
  bool ready() const override { return is_ready; }
  bool healthy() const override { return is_healthy; }
  bool stalled() const override { return is_stalled; }
  Expected<void> accepts(const TimeLimits& times) const override {
    if (times.request.count() > 0 && times.request < shortest_wait)
      return refuse(RefusalKind::unavailable, "The queue is too long.", "", "deadline_unreachable");
    return {};
  }
  std::vector<StartupPhase> startup() const override {
    return {{"opening_checkpoint", "done", 0, 0}, {"loading_weights", "running", 25, 100}};
  }
  std::string metrics_text(const KeptAnswers& kept) const override {
    return "troupe_num_requests_running 0\ntroupe_kept_answers " + std::to_string(kept.answers) + "\n";
  }

  runtime::ReplicaView replica() const override {
    const std::lock_guard lock(mutex_);
    return view_;
  }
  Expected<void> drill(const Drill& drill) override {
    const std::lock_guard lock(mutex_);
    if (control_refusal_) return tl::unexpected(*control_refusal_);
    drills_.push_back(drill);
    return {};
  }
  Expected<void> place_expert(std::int32_t expert, std::vector<std::int32_t> ranks) override {
    const std::lock_guard lock(mutex_);
    if (control_refusal_) return tl::unexpected(*control_refusal_);
    placements_.emplace_back(expert, std::move(ranks));
    return {};
  }
  runtime::ScheduleView schedule() const override {
    const std::lock_guard lock(mutex_);
    return schedule_;
  }
  Expected<void> change_policy(runtime::PolicyChoice policy) override {
    const std::lock_guard lock(mutex_);
    if (control_refusal_) return tl::unexpected(*control_refusal_);
    policies_.push_back(std::move(policy));
    return {};
  }
  void show(runtime::ScheduleView view) {
    const std::lock_guard lock(mutex_);
    schedule_ = std::move(view);
  }
  std::vector<runtime::PolicyChoice> policies() const {
    const std::lock_guard lock(mutex_);
    return policies_;
  }
  void show(runtime::ReplicaView view) {
    const std::lock_guard lock(mutex_);
    view_ = std::move(view);
  }
  void serve_on(std::vector<std::pair<std::string, std::string>> devices) {  // before anybody asks
    model_.devices = std::move(devices);
  }
  void compute_otherwise() { model_.fingerprint = "fp_other"; }  // before anybody asks
  void refuse_control(Refusal refusal) {
    const std::lock_guard lock(mutex_);
    control_refusal_ = std::move(refusal);
  }
  std::vector<Drill> drills() const {
    const std::lock_guard lock(mutex_);
    return drills_;
  }
  std::vector<std::pair<std::int32_t, std::vector<std::int32_t>>> placements() const {
    const std::lock_guard lock(mutex_);
    return placements_;
  }

  // Of what was tokenized and detokenized, in order.
  std::vector<std::string> callers_of_text() const {
    const std::lock_guard lock(mutex_);
    return callers_of_text_;
  }

  // The next request that the edge has handed over.
  std::shared_ptr<ScriptedGeneration> next() {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, ScriptedGeneration::deadline, [this] { return !waiting_.empty(); }))
      throw std::runtime_error("no request came");
    const auto front = waiting_.front();
    waiting_.pop_front();
    return front;
  }
  bool idle() {
    const std::lock_guard lock(mutex_);
    return waiting_.empty();
  }

  std::chrono::milliseconds shortest_wait{0};  // set before anybody asks
  std::atomic<bool> is_ready = true, is_healthy = true, is_stalled = false, throws = false;

 private:
  void note_caller(std::string caller) {
    const std::lock_guard lock(mutex_);
    callers_of_text_.push_back(std::move(caller));
  }
  class Handle final : public GenerationHandle {
   public:
    explicit Handle(std::shared_ptr<ScriptedGeneration> made) : made_(std::move(made)) {}
    ~Handle() override { made_->mark_destroyed(); }
    void grant(std::int32_t deltas) override { made_->add_credit(deltas); }
    void withdraw(Refusal why) override { made_->withdraw(std::move(why)); }
    void cancel() override { made_->add_cancel(); }

   private:
    std::shared_ptr<ScriptedGeneration> made_;
  };

  void answer_elsewhere(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    elsewhere_.emplace_back(std::move(work));
  }

  ModelInfo model_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  runtime::ReplicaView view_;
  runtime::ScheduleView schedule_;
  std::vector<runtime::PolicyChoice> policies_;
  std::vector<std::string> callers_of_text_;
  std::optional<Refusal> control_refusal_;
  std::vector<Drill> drills_;
  std::vector<std::pair<std::int32_t, std::vector<std::int32_t>>> placements_;
  std::deque<std::shared_ptr<ScriptedGeneration>> waiting_;
  std::vector<std::jthread> elsewhere_;
};

}  // namespace troupe::actors::edge
