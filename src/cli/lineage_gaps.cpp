// `tideline lineage --gaps`: what is not known of the column lineage, by its cause. Asks the replica, and no server.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/text.h"
#include "cli/client_context.h"
#include "cli/options.h"
#include "cli/query_output.h"
#include "cli/terminal.h"
#include "lineage/reason.h"

namespace tideline::cli {
namespace {

using replica::ModelState;

constexpr std::size_t kModelsNamed = 3;  // of one cause

/// What has to be mended, and where it shows.
struct Cause {
  std::string reason;
  std::string subject;
  std::vector<std::pair<const ModelState*, std::string>> models;  // that have the gap themselves, and its place there
  std::set<const ModelState*> through;                            // that read the unknown columns of such a model
  std::size_t size() const { return models.size() + through.size(); }
};

/// Of one connection: causes with most models first, those of one reason together.
class Causes {
 public:
  explicit Causes(const std::vector<const ModelState*>& models) {
    for (const ModelState* model : models)
      if (!model->lineage.columns_complete) open_.emplace(ascii_lower(model->object.full_name), model);
    for (const ModelState* model : models) add(*model);
    for (auto& [key, cause] : causes_) {
      for (const auto& [model, place] : cause.models) cause.through.erase(model);
      counts_[cause.reason] += cause.size();
      sorted_.push_back(&cause);
    }
    std::sort(sorted_.begin(), sorted_.end(), [this](const Cause* a, const Cause* b) {
      if (a->reason != b->reason) {
        const auto of_a = counts_[a->reason], of_b = counts_[b->reason];
        return of_a != of_b ? of_a > of_b : a->reason < b->reason;
      }
      return a->size() != b->size() ? a->size() > b->size() : a->subject < b->subject;
    });
  }

  const std::vector<const Cause*>& all() const { return sorted_; }

 private:
  /// The model whose unknown columns are the gap; nullptr: what is unknown is known no better elsewhere.
  const ModelState* behind(const replica::LineageGap& gap) const {
    if (gap.reason != to_string(lineage::Reason::kUnknownColumns)) return nullptr;
    const auto found = open_.find(ascii_lower(gap.subject));
    return found == open_.end() ? nullptr : found->second;
  }

  void add(const ModelState& model) {
    std::vector<const ModelState*> queue;
    std::set<const ModelState*> seen{&model};
    const auto follow = [&](const replica::LineageGap& gap) {
      const ModelState* upstream = behind(gap);
      if (upstream != nullptr && seen.insert(upstream).second) queue.push_back(upstream);
      return upstream != nullptr;
    };
    for (const auto& gap : model.lineage.gaps)
      if (!follow(gap)) cause_of(gap).models.emplace_back(&model, gap.at);
    while (!queue.empty()) {
      const ModelState& upstream = *queue.back();
      queue.pop_back();
      for (const auto& gap : upstream.lineage.gaps)
        if (!follow(gap)) cause_of(gap).through.insert(&model);
    }
  }

  Cause& cause_of(const replica::LineageGap& gap) {
    Cause& cause = causes_[{gap.reason, gap.subject}];
    cause.reason = gap.reason;
    cause.subject = gap.subject;
    return cause;
  }

  std::unordered_map<std::string, const ModelState*> open_;  // by full name: models that may have further columns
  std::map<std::pair<std::string, std::string>, Cause> causes_;
  std::map<std::string, std::size_t> counts_;
  std::vector<const Cause*> sorted_;
};

struct Counts {
  std::size_t complete = 0, partial = 0, failed = 0;
  explicit Counts(const std::vector<const ModelState*>& models) {
    for (const ModelState* model : models)
      ++(model->lineage.status == "complete" ? complete : model->lineage.status == "partial" ? partial : failed);
  }
};

void print(const std::string& connection, const std::vector<const ModelState*>& models) {
  const Counts counts(models);
  print_line(printable(connection) + ": " + std::to_string(counts.complete) + " of " + std::to_string(models.size()) +
             " models in full, " + std::to_string(counts.partial) + " in part, " + std::to_string(counts.failed) +
             " not at all");
  std::string_view reason;
  const Causes causes(models);
  for (const Cause* cause : causes.all()) {
    if (cause->reason != reason)
      print_line(printable(cause->reason) + ": " + std::string(lineage::advice(lineage::reason_of(cause->reason))));
    reason = cause->reason;
    std::string line = "  ";
    if (!cause->subject.empty()) line += cut_to(on_one_line(cause->subject), 100) + "  ";
    line += "in ";
    for (std::size_t i = 0; i < cause->models.size() && i < kModelsNamed; ++i) {
      const auto& [model, at] = cause->models[i];
      line += (i == 0 ? "" : ", ") + printable(label(model->object)) + (at.empty() ? "" : " " + printable(at));
    }
    if (cause->models.size() > kModelsNamed)
      line += " and " + std::to_string(cause->models.size() - kModelsNamed) + " more";
    if (!cause->through.empty())
      line += "; through " + std::string(cause->models.size() == 1 ? "it" : "them") + " in " +
              std::to_string(cause->through.size()) + " more";
    print_line(line);
  }
}

void write(JsonWriter& json, const std::string& connection, const std::vector<const ModelState*>& models) {
  const Counts counts(models);
  json.begin_object().key("connection").string(connection);
  json.key("models").number(static_cast<std::int64_t>(models.size()));
  json.key("analysed").number(static_cast<std::int64_t>(counts.complete));
  json.key("partial").number(static_cast<std::int64_t>(counts.partial));
  json.key("failed").number(static_cast<std::int64_t>(counts.failed)).key("causes").begin_array();
  const auto write_model = [&](const ModelState& model, const std::string* at) {
    json.begin_object();
    write_ref_members(json, model.object, std::nullopt);
    json.key("path").optional_string(model.path);
    if (at != nullptr) json.key("at").string(*at).key("of").string(model.lineage.of_file ? "file" : "compiled");
    json.end_object();
  };
  const Causes causes(models);
  for (const Cause* cause : causes.all()) {
    json.begin_object().key("reason").string(cause->reason).key("subject").string(cause->subject);
    json.key("advice").string(lineage::advice(lineage::reason_of(cause->reason))).key("models").begin_array();
    for (const auto& [model, at] : cause->models) write_model(*model, &at);
    json.end_array().key("through").begin_array();
    for (const ModelState* model : models)
      if (cause->through.contains(model)) write_model(*model, nullptr);
    json.end_array().end_object();
  }
  json.end_array().end_object();
}

Result<void> run(const LineageOptions& options) {
  TRY(auto opened, open_view(options.place));
  TRY(const auto states, opened.view.lineage_states());
  std::map<std::string, std::vector<const ModelState*>> connections;
  for (const ModelState& state : states) connections[state.connection].push_back(&state);
  if (options.place.json) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().key("connections").begin_array();
    for (const auto& [connection, models] : connections) write(json, connection, models);
    json.end_array().end_object();
    print_line(text);
    return {};
  }
  if (connections.empty()) print_line("there are no models here");
  bool first = true;
  for (const auto& [connection, models] : connections) {
    if (!std::exchange(first, false)) print_line("");
    print(connection, models);
  }
  return {};
}

}  // namespace

int lineage_gaps(const LineageOptions& options) { return ended(run(options)); }

}  // namespace tideline::cli
