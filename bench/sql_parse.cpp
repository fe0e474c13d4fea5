// What reading SQL costs, on the compiled SQL of the real projects under TIDELINE_TEST_DATA: one core, bytes and texts
// a second. Before it is timed, every text is read and must be read as the tests say.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>

#include "sql/lexer.h"
#include "sql/parser.h"
#include "tests/sql/corpus.h"

namespace tideline::sql {
namespace {

const std::vector<test::CorpusText>& texts() {
  static const auto kTexts = [] {
    auto all = test::corpus();
    std::size_t wrong = 0;
    for (const auto& [origin, adapter, text] : all)
      wrong += parse(text, dialect_of_adapter(adapter)).diagnostic_count > 0;
    if (all.empty() || wrong > 1) {  // one text of the data is wrong itself
      std::fprintf(stderr, "%zu texts, %zu wrong: TIDELINE_TEST_DATA names other data\n", all.size(), wrong);
      std::exit(1);
    }
    return all;
  }();
  return kTexts;
}

template <class Read>
void over_the_corpus(benchmark::State& state, Read read) {
  std::size_t bytes = 0;
  for (const auto& item : texts()) bytes += item.text.size();
  for (auto _ : state) {
    for (const auto& item : texts()) read(item.text, dialect_of_adapter(item.adapter));
  }
  auto rounds = static_cast<std::size_t>(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(rounds * bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(rounds * texts().size()));
}

void lex_corpus(benchmark::State& state) {
  over_the_corpus(state, [](const auto& text, const auto& in) { benchmark::DoNotOptimize(lex(text, in).size()); });
}
BENCHMARK(lex_corpus)->Unit(benchmark::kMillisecond);

void parse_corpus(benchmark::State& state) {
  over_the_corpus(state, [](const auto& text, const auto& in) { benchmark::DoNotOptimize(parse(text, in).steps); });
}
BENCHMARK(parse_corpus)->Unit(benchmark::kMillisecond);

/// One statement of ten megabytes.
void parse_ten_megabytes(benchmark::State& state) {
  std::string text = "select a";
  while (text.size() < 10'000'000) text += ", coalesce(t.some_column, 0) + 1 as other_column";
  text += " from t";
  if (parse(text, dialect(DialectId::kSnowflake)).diagnostic_count > 0) std::exit(1);
  for (auto _ : state) benchmark::DoNotOptimize(parse(text, dialect(DialectId::kSnowflake)).arena.size());
  state.SetBytesProcessed(static_cast<std::int64_t>(static_cast<std::size_t>(state.iterations()) * text.size()));
}
BENCHMARK(parse_ten_megabytes)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tideline::sql
