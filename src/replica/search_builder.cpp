// The search index of a new file, made beside the loading of its rows.
//
// A file has one writer, so the index grows in a database in memory and is copied at the end: FTS5 keeps an index in
// ordinary tables, <name>_data and <name>_idx, whose form is documented (sqlite.org/fts5.html, appendix).

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "replica/search_index.h"

namespace tideline::replica {
namespace {

/// Text that waits to be indexed. The thread is faster than what feeds it: this is for when it is not.
constexpr std::size_t kMaxWaitingBytes = std::size_t{16} << 20;

/// Some rows, their texts one behind the other.
struct Batch {
  struct Row {
    Kind kind;
    std::int64_t seq;
  };
  std::vector<Row> rows;
  std::vector<std::int64_t> sizes;  // of the row's values, in the order of searched_fields; -1: null
  std::string text;
};

/// The statements that index a row of a kind, and which of the row's values each takes.
struct Indexing {
  Statement insert;
  std::vector<std::size_t> values;
};

}  // namespace

struct SearchBuilder::Impl {
  Database database;
  std::array<std::vector<Indexing>, kKindCount> indexings;
  std::array<std::vector<std::uint16_t>, kKindCount> tags;  // of the values that are searched
  Batch growing;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Batch> waiting;
  std::size_t waiting_bytes = 0;
  bool ended = false;
  bool given_up = false;
  Result<void> outcome;
  std::thread thread;  // last: it uses all of the above

  Result<void> index(const Batch& batch) {
    const char* at = batch.text.data();
    const std::int64_t* size = batch.sizes.data();
    std::vector<std::optional<std::string_view>> values;
    for (const auto& row : batch.rows) {
      values.clear();
      for (std::size_t i = 0; i < tags[index_of(row.kind)].size(); ++i, ++size) {
        if (*size < 0) {
          values.emplace_back();
          continue;
        }
        values.emplace_back(std::string_view(at, static_cast<std::size_t>(*size)));
        at += *size;
      }
      for (auto& [insert, chosen] : indexings[index_of(row.kind)]) {
        insert.integer(1, row.seq);
        for (std::size_t i = 0; i < chosen.size(); ++i) {
          const int parameter = static_cast<int>(i) + 2;
          if (const auto& value = values[chosen[i]])
            insert.text(parameter, *value);
          else
            insert.null(parameter);
        }
        TRY_VOID(insert.run());
      }
    }
    return {};
  }

  Result<void> run() {
    TRY_VOID(database.run("begin"));
    for (;;) {
      Batch batch;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return !waiting.empty() || ended || given_up; });
        if (given_up) return {};
        if (waiting.empty()) break;
        batch = std::move(waiting.front());
        waiting.pop_front();
      }
      TRY_VOID(index(batch));
      const std::lock_guard lock(mutex);
      waiting_bytes -= batch.text.size();
      changed.notify_all();
    }
    return database.run("commit");
  }

  void run_thread() {
    Result<void> done;
    try {
      done = run();
    } catch (const std::exception& error) {
      done = fail(Code::kInternal, "The search index could not be made.", {}, error.what());
    }
    const std::lock_guard lock(mutex);
    outcome = std::move(done);
    if (!outcome) given_up = true;
    changed.notify_all();
  }
};

SearchBuilder::SearchBuilder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<SearchBuilder>> SearchBuilder::start() {
  auto impl = std::make_unique<Impl>();
  TRY(impl->database, Database::open(":memory:", Database::Mode::kCreate, 0));
  TRY_VOID(create_search_index(impl->database));
  for (const auto& index : search_indexes()) {
    const std::size_t kind = index_of(index.kind);
    Indexing indexing;
    std::string names, parameters;
    for (const char* column : index.columns) {
      std::uint16_t tag = 0;
      for (const auto& field : present_layout()[kind].fields)
        if (field.name == column) tag = field.tag;
      auto& tags = impl->tags[kind];
      const auto known = std::find(tags.begin(), tags.end(), tag);
      indexing.values.push_back(static_cast<std::size_t>(known - tags.begin()));
      if (known == tags.end()) tags.push_back(tag);
      names.append(", ").append(column);
      parameters.append(", ?").append(std::to_string(indexing.values.size() + 1));
    }
    const std::string name = index.name;
    TRY_VOID(impl->database.run("insert into " + name + " (" + name + ", rank) values ('hashsize', " +
                                std::to_string(kBulkHashBytes) + ")"));
    TRY(indexing.insert,
        impl->database.prepare("insert into " + name + " (rowid" + names + ") values (?1" + parameters + ")"));
    impl->indexings[kind].push_back(std::move(indexing));
  }
  Impl& shared = *impl;
  impl->thread = std::thread([&shared] { shared.run_thread(); });
  return std::unique_ptr<SearchBuilder>(new SearchBuilder(std::move(impl)));
}

SearchBuilder::~SearchBuilder() {
  if (!impl_->thread.joinable()) return;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->given_up = true;
    impl_->changed.notify_all();
  }
  impl_->thread.join();
}

void SearchBuilder::add(std::int64_t seq, const wire::RowFields& row) {
  const auto& tags = impl_->tags[index_of(row.kind)];
  if (tags.empty()) return;
  Batch& batch = impl_->growing;
  batch.rows.push_back({row.kind, seq});
  for (const std::uint16_t tag : tags) {
    const auto& value = row.value(tag);
    batch.sizes.push_back(value ? static_cast<std::int64_t>(value->size()) : -1);
    if (value) batch.text += *value;
  }
}

void SearchBuilder::pass_on() {
  if (impl_->growing.rows.empty()) return;
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [this] { return impl_->waiting_bytes < kMaxWaitingBytes || impl_->given_up; });
  impl_->waiting_bytes += impl_->growing.text.size();
  impl_->waiting.push_back(std::exchange(impl_->growing, {}));
  impl_->changed.notify_all();
}

Result<void> SearchBuilder::finish(Database& database) {
  pass_on();
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->ended = true;
    impl_->changed.notify_all();
  }
  impl_->thread.join();
  if (!impl_->outcome) return std::move(impl_->outcome);
  for (const auto& index : search_indexes())
    for (const auto& [suffix, columns] : {std::pair("_data", "id, block"), std::pair("_idx", "segid, term, pgno")}) {
      const std::string table = std::string(index.name) + suffix;
      TRY_VOID(database.run("delete from " + table));
      TRY(auto from, impl_->database.prepare("select " + std::string(columns) + " from " + table));
      const int count = sqlite3_column_count(from.get());
      TRY(auto to, database.prepare("insert into " + table + " (" + columns + ") values (?1, ?2" +
                                    (count == 3 ? ", ?3)" : ")")));
      for (;;) {
        TRY(const bool row, from.step());
        if (!row) break;
        for (int i = 0; i < count; ++i) sqlite3_bind_value(to.get(), i + 1, sqlite3_column_value(from.get(), i));
        TRY_VOID(to.run());
      }
    }
  return {};
}

}  // namespace tideline::replica
