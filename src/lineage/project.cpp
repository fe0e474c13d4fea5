#include "lineage/project.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "base/hash.h"
#include "base/text.h"
#include "lineage/packed.h"
#include "sql/parser.h"

namespace tideline::lineage {
namespace {

// The last round: what models read without saying so may again be read by others.
constexpr int kMaxRounds = 4;
// Models that pass on the * of one another, one after the other, over a source that nobody knows.
constexpr int kMaxFillRounds = 32;

/// A model's result at rest: packed, and beside it what passes over all models ask for.
struct Kept {
  std::string packed;                // empty: not resolved yet
  std::vector<RelationIndex> reads;  // in the order of the text, without those that are not known
  std::uint32_t reasons = 0;         // of its gaps: a bit each
  bool failed = false;
  bool columns_complete = true;
  bool uses_unknown = false;

  Kept() = default;
  explicit Kept(const QueryLineage& lineage)
      : packed(pack(lineage)),
        failed(lineage.failed),
        columns_complete(lineage.columns_complete),
        uses_unknown(!unknown_columns(lineage).empty()) {
    for (const auto& read : lineage.reads)
      if (read.relation != kNone) reads.push_back(read.relation);
    reads.shrink_to_fit();
    for (const auto& gap : lineage.gaps) reasons |= bit(gap.reason);
  }

  bool has(Reason reason) const { return (reasons & bit(reason)) != 0; }

 private:
  static_assert(kReasonCount <= 32);
  static std::uint32_t bit(Reason reason) { return 1U << static_cast<unsigned>(reason); }
};

}  // namespace

struct Project::Impl {
  struct State {
    Model model;
    Kept kept;
    Xxh3Digest fingerprint{};          // of what it was resolved from
    std::vector<RelationIndex> reads;  // that it does not declare, sorted
    std::vector<RelationIndex> all;    // these and what it declares, sorted; empty where it declares all
    bool published = false;
    std::vector<std::string> demanded;    // what others read of its result and it does not list, sorted
    std::vector<std::string> documented;  // the same of others that are only documented to have it

    std::span<const RelationIndex> visible() const { return reads.empty() ? model.upstream : all; }
    void see(std::vector<RelationIndex> undeclared) {
      reads = std::move(undeclared);
      all.clear();
      if (!reads.empty())
        std::set_union(model.upstream.begin(), model.upstream.end(), reads.begin(), reads.end(),
                       std::back_inserter(all));
    }
  };

  std::unique_ptr<Relations> relations;
  std::deque<State> states;
  std::unordered_map<RelationIndex, std::size_t> builders;
  std::size_t resolved = 0;
  std::mutex counter;

  Xxh3Digest fingerprint(const State& state, std::string_view sql, std::span<const RelationIndex> upstream) const {
    Xxh3 hash;
    hash.update(sql);
    const auto number = [&](std::uint64_t value) {
      hash.update(std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
    };
    number(static_cast<std::uint64_t>(state.model.dialect->id));
    number(state.model.relation);
    number(static_cast<std::uint64_t>(state.model.without_sql));
    const auto columns = [&](const RelationColumns* one) { number(one == nullptr ? 0 : one->fingerprint()); };
    columns(state.model.relation == kNone ? nullptr : relations->columns(state.model.relation));
    for (const RelationIndex relation : upstream) {
      number(relation);
      columns(relations->inferred(relation));
    }
    for (const auto* names : {&state.demanded, &state.documented}) {
      number(names->size());
      for (const auto& name : *names) {
        hash.update(name);
        number(name.size());
      }
    }
    if (const StandIns* stand_ins = state.model.stand_ins.get(); stand_ins != nullptr) {
      std::uint64_t sum = stand_ins->is_one_of_several ? 1 : 2;  // in any order
      for (const auto& [name, relation] : stand_ins->relations)
        sum += std::hash<std::string>()(name) * (2 * std::uint64_t{relation} + 1);
      for (const auto& [name, text] : stand_ins->unknown) sum += std::hash<std::string>()(name + text);
      for (const auto& mark : stand_ins->marks) sum += std::hash<std::string>()(mark);
      for (const auto& place : stand_ins->doubtful) number(place.begin), number(place.end);
      number(sum);
    }
    // Of what is read without being declared only the columns given at first are seen.
    for (const RelationIndex relation : state.kept.reads) {
      number(relation);
      columns(relations->columns(relation));
    }
    return hash.digest();
  }

  /// What others see of it when they read it.
  void publish(State& state, const QueryLineage& lineage) {
    state.published = true;
    const RelationIndex relation = state.model.relation;
    if (relation == kNone || lineage.failed) return;
    const RelationColumns* given = relations->columns(relation);
    const bool from_catalog = given != nullptr && given->complete();
    std::vector<std::string> names;
    std::unordered_set<std::string_view, HashIgnoringCase, SameIgnoringCase> seen;
    const auto put = [&](std::string_view name) {
      if (seen.insert(name).second) names.emplace_back(name);
    };
    if (from_catalog)
      for (std::size_t i = 0; i < given->listed(); ++i) put(given->name(i));
    std::size_t listed = names.size();
    // What a * took over from documentation alone is known no better here.
    const bool may_be_documented = !from_catalog && !lineage.columns_complete;
    for (const auto& column : lineage.columns)
      if (!column.demanded && !(may_be_documented && column.documented)) put(column.name);
    if (state.model.is_snapshot)
      for (const auto name : kSnapshotColumns) put(name);
    if (!from_catalog) listed = names.size();
    const std::size_t documented = names.size();
    if (may_be_documented)
      for (const auto& column : lineage.columns)
        if (!column.demanded) put(column.name);
    if (given != nullptr)
      for (std::size_t i = 0; i < given->size(); ++i) put(given->name(i));
    const bool complete = from_catalog || lineage.columns_complete;
    if (!complete) listed = names.size();
    relations->infer(relation, std::make_shared<RelationColumns>(names, listed, complete, documented));
  }

  void resolve_one(std::size_t number, const SqlOf& sql_of) {
    State& state = states[number];
    const std::span<const RelationIndex> upstream = state.visible();
    std::string buffer;
    const std::string_view sql = state.model.without_sql == Reason::kNone ? sql_of(number, buffer) : std::string_view();
    if (!state.kept.packed.empty() && fingerprint(state, sql, upstream) == state.fingerprint) {
      if (!state.published) publish(state, unpack(state.kept.packed));
      return;
    }
    QueryLineage lineage;
    if (state.model.without_sql != Reason::kNone) {
      lineage.failed = true;
      lineage.columns_complete = false;
      lineage.gaps.push_back({state.model.without_sql, "", {}});
    } else {
      Reader reader;
      reader.upstream = upstream;
      reader.self = state.model.relation;
      reader.demanded = state.demanded;
      reader.documented = state.documented;
      reader.is_snapshot = state.model.is_snapshot;
      reader.stand_ins = state.model.stand_ins.get();
      if (reader.self != kNone) reader.expected = relations->columns(reader.self);
      lineage = analyse(sql, *state.model.dialect, *relations, reader);
    }
    state.kept = Kept(lineage);
    state.fingerprint = fingerprint(state, sql, upstream);
    publish(state, lineage);
    const std::lock_guard lock(counter);
    ++resolved;
  }

  /// The models of `numbers`, each after those of them that it reads.
  void run(const std::vector<std::size_t>& numbers, const SqlOf& sql_of, unsigned threads) {
    std::vector<std::uint32_t> place(states.size(), kNone);
    for (std::size_t i = 0; i < numbers.size(); ++i) place[numbers[i]] = static_cast<std::uint32_t>(i);
    std::vector<std::vector<std::uint32_t>> downstream(numbers.size());
    std::vector<std::uint32_t> waits(numbers.size(), 0);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      for (const RelationIndex relation : states[numbers[i]].visible()) {
        const auto builder = builders.find(relation);
        if (builder == builders.end() || builder->second == numbers[i] || place[builder->second] == kNone) continue;
        downstream[place[builder->second]].push_back(static_cast<std::uint32_t>(i));
        ++waits[i];
      }
    }
    std::vector<std::uint32_t> ready;
    for (std::size_t i = numbers.size(); i-- > 0;)
      if (waits[i] == 0) ready.push_back(static_cast<std::uint32_t>(i));
    std::vector<bool> done(numbers.size(), false);
    std::size_t running = 0;
    std::mutex mutex;
    std::condition_variable changed;
    const auto work = [&] {
      std::unique_lock lock(mutex);
      while (true) {
        changed.wait(lock, [&] { return !ready.empty() || running == 0; });
        if (ready.empty()) return;
        const std::uint32_t at = ready.back();
        ready.pop_back();
        ++running;
        lock.unlock();
        resolve_one(numbers[at], sql_of);
        lock.lock();
        --running;
        done[at] = true;
        for (const std::uint32_t next : downstream[at])
          if (--waits[next] == 0) ready.push_back(next);
        changed.notify_all();
      }
    };
    std::vector<std::thread> others;
    for (unsigned i = 1; i < threads && i < numbers.size(); ++i) others.emplace_back(work);
    work();
    for (auto& other : others) other.join();
    // What is left waits for itself.
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (done[i]) continue;
      resolve_one(numbers[i], sql_of);
      State& state = states[numbers[i]];
      if (state.kept.has(Reason::kCycle)) continue;
      QueryLineage lineage = unpack(state.kept.packed);
      lineage.gaps.push_back({Reason::kCycle, state.model.id, {}});
      state.kept = Kept(lineage);
    }
  }

  /// Models over a * that cannot be expanded, where what is read of them is not what they were last resolved with.
  std::vector<std::size_t> to_fill() {
    std::vector<std::set<std::string>> demanded(states.size()), documented(states.size());
    for (const State& state : states) {
      if (!state.kept.uses_unknown) continue;
      const QueryLineage lineage = unpack(state.kept.packed);
      for (const auto& column : unknown_columns(lineage)) {
        if (column.relation == state.model.relation) continue;
        if (const auto builder = builders.find(column.relation); builder != builders.end())
          (column.is_read ? demanded : documented)[builder->second].emplace(column.name);
      }
    }
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < states.size(); ++i) {
      State& state = states[i];
      if (state.kept.failed || state.kept.columns_complete) demanded[i].clear(), documented[i].clear();
      for (const auto& name : demanded[i]) documented[i].erase(name);
      const bool is_same =
          std::equal(demanded[i].begin(), demanded[i].end(), state.demanded.begin(), state.demanded.end()) &&
          std::equal(documented[i].begin(), documented[i].end(), state.documented.begin(), state.documented.end());
      if (is_same) continue;
      state.demanded.assign(demanded[i].begin(), demanded[i].end());
      state.documented.assign(documented[i].begin(), documented[i].end());
      numbers.push_back(i);
    }
    return numbers;
  }

  /// Models that read what another one builds without declaring it, where that matters; and those that read them.
  std::vector<std::size_t> to_repeat() {
    std::vector<bool> again(states.size(), false);
    bool any = false;
    for (std::size_t i = 0; i < states.size(); ++i) {
      State& state = states[i];
      std::vector<RelationIndex> reads;
      for (const RelationIndex relation : state.kept.reads) {
        if (relation == state.model.relation || !builders.contains(relation)) continue;
        const RelationColumns* given = relations->columns(relation);
        if (given != nullptr && given->complete()) continue;
        if (std::binary_search(state.model.upstream.begin(), state.model.upstream.end(), relation)) continue;
        reads.push_back(relation);
      }
      if (reads.empty() && state.reads.empty()) continue;
      reads.insert(reads.end(), state.reads.begin(), state.reads.end());
      std::sort(reads.begin(), reads.end());
      reads.erase(std::unique(reads.begin(), reads.end()), reads.end());
      if (reads == state.reads) continue;
      state.see(std::move(reads));
      again[i] = any = true;
    }
    std::vector<std::size_t> numbers;
    if (!any) return numbers;
    std::vector<std::vector<std::size_t>> downstream(states.size());
    std::vector<std::size_t> queue;
    for (std::size_t i = 0; i < states.size(); ++i) {
      if (again[i]) queue.push_back(i);
      for (const RelationIndex relation : states[i].visible())
        if (const auto builder = builders.find(relation); builder != builders.end())
          downstream[builder->second].push_back(i);
    }
    while (!queue.empty()) {
      const std::size_t at = queue.back();
      queue.pop_back();
      for (const std::size_t next : downstream[at]) {
        if (again[next]) continue;
        again[next] = true;
        queue.push_back(next);
      }
    }
    for (std::size_t i = 0; i < states.size(); ++i)
      if (again[i]) numbers.push_back(i);
    return numbers;
  }
};

Project::Project(std::unique_ptr<Relations> relations) : impl_(std::make_unique<Impl>()) {
  impl_->relations = std::move(relations);
}
Project::~Project() = default;
Project::Project(Project&&) noexcept = default;
Project& Project::operator=(Project&&) noexcept = default;

std::size_t Project::add(Model model) {
  const std::size_t number = impl_->states.size();
  std::sort(model.upstream.begin(), model.upstream.end());
  model.upstream.erase(std::unique(model.upstream.begin(), model.upstream.end()), model.upstream.end());
  if (model.relation != kNone) impl_->builders.emplace(model.relation, number);
  auto& state = impl_->states.emplace_back();
  model.upstream.shrink_to_fit();
  state.model = std::move(model);
  return number;
}

std::size_t Project::size() const { return impl_->states.size(); }
const Relations& Project::relations() const { return *impl_->relations; }
const Model& Project::model(std::size_t number) const { return impl_->states[number].model; }
QueryLineage Project::lineage(std::size_t number) const { return unpack(impl_->states[number].kept.packed); }
std::span<const RelationIndex> Project::reads(std::size_t number) const { return impl_->states[number].kept.reads; }
bool Project::uses_unknown(std::size_t number) const { return impl_->states[number].kept.uses_unknown; }
std::size_t Project::resolved() const { return impl_->resolved; }

void Project::resolve(const SqlOf& sql_of, unsigned threads) {
  impl_->resolved = 0;
  std::vector<std::size_t> numbers(impl_->states.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
  impl_->run(numbers, sql_of, std::max(threads, 1U));
  for (int round = 1; round < kMaxRounds; ++round) {
    numbers = impl_->to_repeat();
    if (numbers.empty()) break;
    impl_->run(numbers, sql_of, std::max(threads, 1U));
  }
  // What is demanded of a model, it may demand of those it reads: a round for each * over a *.
  for (int round = 0; round < kMaxFillRounds; ++round) {
    numbers = impl_->to_fill();
    if (numbers.empty()) return;
    impl_->run(numbers, sql_of, std::max(threads, 1U));
  }
}

void Project::take_over(Project&& earlier) {
  const Relations& now = *impl_->relations;
  const Relations& then = *earlier.impl_->relations;
  if (now.size() != then.size()) return;
  for (RelationIndex i = 0; i < now.size(); ++i) {
    const RelationName a = now.name(i), b = then.name(i);
    if (a.database != b.database || a.schema != b.schema || a.identifier != b.identifier ||
        now.origin(i) != then.origin(i))
      return;
  }
  std::unordered_map<std::string_view, Impl::State*> by_id;
  for (auto& state : earlier.impl_->states) by_id.emplace(state.model.id, &state);
  for (auto& state : impl_->states) {
    const auto found = by_id.find(state.model.id);
    if (found == by_id.end() || found->second->model.relation != state.model.relation) continue;
    state.kept = std::move(found->second->kept);
    state.fingerprint = found->second->fingerprint;
    state.see(std::move(found->second->reads));
    state.demanded = std::move(found->second->demanded);
    state.documented = std::move(found->second->documented);
  }
}

std::vector<UnknownColumn> unknown_columns(const QueryLineage& lineage) {
  std::vector<UnknownColumn> columns;
  const auto is_unknown = [](const SourceColumn& source) { return !source.known; };
  if (std::none_of(lineage.sources.begin(), lineage.sources.end(), is_unknown)) return columns;
  enum class Use : std::uint8_t { kNone, kDocumented, kRead };
  std::vector<Use> used(lineage.sources.size(), Use::kNone);
  for (const auto& column : lineage.columns) {
    const Use use = column.demanded && column.documented ? Use::kDocumented : Use::kRead;
    for (const auto& edge : column.edges) used[edge.source] = std::max(used[edge.source], use);
  }
  for (const auto& influence : lineage.influences) used[influence.source] = Use::kRead;
  for (std::size_t i = 0; i < used.size(); ++i) {
    const SourceColumn& source = lineage.sources[i];
    const RelationIndex relation = lineage.reads[source.read].relation;
    if (used[i] != Use::kNone && !source.known && relation != kNone)
      columns.push_back({relation, source.name, used[i] == Use::kRead});
  }
  return columns;
}

Report Project::report() const {
  Report report;
  for (const auto& state : impl_->states) {
    ++report.models;
    ++(state.kept.failed ? report.failed : state.kept.reasons != 0 ? report.partial : report.analysed);
    for (std::size_t i = 0; i < kReasonCount; ++i)
      if (const auto reason = static_cast<Reason>(i); state.kept.has(reason)) ++report.reasons[reason];
  }
  return report;
}

}  // namespace tideline::lineage
