#include "sql/jinja.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sql/jinja_evaluator.h"
#include "sql/jinja_lexer.h"
#include "sql/jinja_writer.h"

namespace tideline::sql {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

enum class FrameKind : std::uint8_t { kIf, kFor, kSet, kBlock, kCall, kFilter, kCount };

struct Word {
  std::string_view word;
  FrameKind kind;
};
constexpr std::array kEnds{Word{"endif", FrameKind::kIf},
                           Word{"endfor", FrameKind::kFor},
                           Word{"endset", FrameKind::kSet},
                           Word{"endmacro", FrameKind::kBlock},
                           Word{"endtest", FrameKind::kBlock},
                           Word{"enddata_test", FrameKind::kBlock},
                           Word{"endmaterialization", FrameKind::kBlock},
                           Word{"endsnapshot", FrameKind::kBlock},
                           Word{"enddocs", FrameKind::kBlock},
                           Word{"endcall", FrameKind::kCall},
                           Word{"endfilter", FrameKind::kFilter}};

struct BlockWord {
  std::string_view word;
  JinjaBlock::Kind kind;
};
constexpr std::array kBlocks{BlockWord{"macro", JinjaBlock::Kind::kMacro},
                             BlockWord{"test", JinjaBlock::Kind::kTest},
                             BlockWord{"data_test", JinjaBlock::Kind::kTest},
                             BlockWord{"materialization", JinjaBlock::Kind::kMaterialization},
                             BlockWord{"snapshot", JinjaBlock::Kind::kSnapshot},
                             BlockWord{"docs", JinjaBlock::Kind::kDocs}};

/// A block that is open.
struct Frame {
  FrameKind kind{};
  std::string_view word;           // that opened it
  Span open;                       // the tag
  Truth run_left{}, parse_left{};  // of an if, a for: whether a later branch may be taken
  bool chosen = false;             // a branch of it gives the SQL
  std::string name;                // of a set
  // What held outside of it.
  bool emitting = true;
  Truth run{}, parse{};
  std::int32_t block = kNoBlock;
  std::size_t undo = 0;
  bool scoped = false;
};

class Walk {
 public:
  Walk(std::string_view text, const JinjaOptions& options, JinjaResult& result)
      : text_(text), options_(options), result_(result), state_(text, options, result), lexer_(text) {}

  /// Returns the templates within it: hooks.
  std::vector<std::pair<std::string, Span>> run() {
    std::size_t at = 0;
    bool trim = false;
    for (;;) {
      JinjaTag tag = lexer_.next(at);
      const bool last = tag.kind == JinjaTag::Kind::kNone;
      emit_text(at, last ? text_.size() : tag.span.begin, trim, !last && tag.trims_left);
      if (last) break;
      handle(tag);
      at = tag.span.end;
      trim = tag.trims_right;
    }
    while (!frames_.empty()) {
      state_.problem(frames_.back().open, "this " + std::string(frames_.back().word) + " has no end");
      pop(static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(text_.size()));
    }
    write_sql(elements_, text_, options_, result_);
    return std::move(state_.hooks);
  }

 private:
  using Evaluator = JinjaEvaluator;

  // ---- What goes out ----

  void emit_text(std::size_t begin, std::size_t end, bool trim_left, bool trim_right) {
    if (!emitting_) return;
    while (trim_left && begin < end && is_space(text_[begin])) ++begin;
    while (trim_right && begin < end && is_space(text_[end - 1])) --end;
    if (begin == end) return;
    if (!captures_.empty()) {
      if (state_.spend(end - begin)) captures_.back().append(text_.substr(begin, end - begin));
      return;
    }
    JinjaElement element;
    element.file = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
    elements_.push_back(std::move(element));
  }

  void emit_placed(std::string_view text, Span file) {
    if (!emitting_ || text.empty()) return;
    if (!state_.spend(text.size())) return emit_opaque({OpaqueReason::kTooMuch, {}}, file, true);
    if (!captures_.empty()) {
      captures_.back() += text;
      return;
    }
    JinjaElement element;
    element.kind = JinjaElement::Kind::kPlaced;
    element.file = file;
    element.placed = text;
    elements_.push_back(std::move(element));
  }

  void emit_opaque(JinjaCause cause, Span file, bool is_place) {
    if (!emitting_) return;
    if (result_.opaque.size() >= kMaxJinjaFacts) {
      result_.truncated = true;
      if (result_.opaque.size() >= kMaxJinjaFacts * 10) return;
    }
    JinjaOpaque opaque;
    opaque.reason = cause.reason;
    opaque.name = std::move(cause.name);
    opaque.file = file;
    result_.opaque.push_back(std::move(opaque));
    const std::size_t index = result_.opaque.size() - 1;
    if (!captures_.empty()) {
      if (!is_place) return;
      const std::string placeholder = "__jinja_" + std::to_string(index + 1) + "__";
      if (!state_.spend(placeholder.size())) return;
      captures_.back() += placeholder;
      result_.opaque.back().placeholder = placeholder;
      return;
    }
    JinjaElement element;
    element.kind = JinjaElement::Kind::kOpaque;
    element.file = file;
    element.opaque = index;
    element.is_place = is_place;
    elements_.push_back(std::move(element));
  }

  void emit(const JinjaValue& value, const Evaluator& evaluator, Span file) {
    if (evaluator.is_silent() && value.as_text().empty()) return;
    const JinjaValue& first = value.first();
    switch (first.kind()) {
      case JinjaValue::Kind::kText:
      case JinjaValue::Kind::kNumber:
      case JinjaValue::Kind::kRelation:
        return emit_placed(first.as_text(), file);
      case JinjaValue::Kind::kNone:
        return emit_placed("None", file);
      case JinjaValue::Kind::kBoolean:
        if (first.run() != Truth::kMaybe) return emit_placed(first.run() == Truth::kYes ? "True" : "False", file);
        break;
      default:
        break;
    }
    emit_opaque(evaluator.cause(), file, true);
  }

  // ---- Tags ----

  void handle(const JinjaTag& tag) {
    switch (tag.kind) {
      case JinjaTag::Kind::kExpression: {
        Evaluator evaluator(state_, tag.tokens);
        const JinjaValue value = evaluator.expressions();
        evaluator.expect_end();
        emit(value, evaluator, tag.span);
        return;
      }
      case JinjaTag::Kind::kStatement:
        return statement(tag);
      case JinjaTag::Kind::kRaw:
        return emit_text(tag.inner.begin, tag.inner.end, tag.inner_trims_left, tag.inner_trims_right);
      case JinjaTag::Kind::kUnclosed: {
        static constexpr std::array<std::string_view, 3> kClosers{"}}", "%}", "#}"};
        state_.problem({tag.span.begin, tag.span.begin + 2},
                       "expected `" + std::string(kClosers[static_cast<std::size_t>(tag.opened) - 1]) +
                           "`, found the end of the line or another tag");
        Evaluator evaluator(state_, tag.tokens);
        if (!tag.tokens.empty()) evaluator.collect_rest();
        if (tag.opened == JinjaTag::Kind::kExpression) emit_opaque({OpaqueReason::kExpression, {}}, tag.span, true);
        return;
      }
      case JinjaTag::Kind::kComment:
      case JinjaTag::Kind::kNone:
        return;
    }
  }

  void statement(const JinjaTag& tag) {
    Evaluator evaluator(state_, tag.tokens);
    const std::string_view word = evaluator.take_name();
    if (word == "if") return open_if(tag, evaluator);
    if (word == "elif" || word == "else") return next_branch(tag, evaluator, word == "elif");
    if (word == "for") return open_for(tag, evaluator);
    if (word == "set") return set(tag, evaluator);
    if (word == "do") {
      evaluator.expressions();
      return evaluator.expect_end();
    }
    if (word == "call") return open_call(tag, evaluator);
    if (word == "filter") {
      open(FrameKind::kFilter, word, tag.span);
      return;
    }
    for (const auto& block : kBlocks)
      if (block.word == word) return open_block(tag, evaluator, block);
    for (const auto& end : kEnds)
      if (end.word == word) return close(tag, end.kind, word);
    if (word == "import" || word == "include" || word == "from" || word == "extends" || word == "break" ||
        word == "continue" || word == "raw")
      return;
    state_.problem(tag.span, word.empty() ? "expected the name of a statement"
                                          : "`" + std::string(word.substr(0, 40)) + "` is no statement of dbt's Jinja");
    evaluator.collect_rest();
  }

  Frame* open(FrameKind kind, std::string_view word, Span span) {
    if (frames_.size() >= kMaxJinjaBlocks) {
      if (skipped_++ == 0) state_.problem(span, "more than " + std::to_string(kMaxJinjaBlocks) + " blocks are open");
      return nullptr;
    }
    Frame frame;
    frame.kind = kind;
    frame.word = word;
    frame.open = span;
    frame.emitting = emitting_;
    frame.run = run_;
    frame.parse = parse_;
    frame.block = state_.block;
    frame.undo = undo_.size();
    ++open_[static_cast<std::size_t>(kind)];
    frames_.push_back(std::move(frame));
    return &frames_.back();
  }

  void enter(Truth run, Truth parse) {
    run_ = run;
    parse_ = parse;
    state_.certainty = parse == Truth::kYes     ? Certainty::kAlways
                       : parse == Truth::kMaybe ? Certainty::kMaybe
                                                : Certainty::kNever;
  }

  void open_if(const JinjaTag& tag, Evaluator& evaluator) {
    const JinjaValue condition = evaluator.expression();
    evaluator.expect_end();
    Frame* frame = open(FrameKind::kIf, "if", tag.span);
    if (frame == nullptr) return;
    frame->run_left = frame->parse_left = Truth::kYes;
    take_branch(*frame, condition.run(), condition.parse(), tag.span);
  }

  /// Goes into the branch of `frame` that is taken where these hold and no earlier branch is.
  void take_branch(Frame& frame, Truth run, Truth parse, Span tag) {
    const Truth here = frame.run_left && run;
    enter(frame.run && here, frame.parse && frame.parse_left && parse);
    frame.run_left = frame.run_left && !run;
    frame.parse_left = frame.parse_left && !parse;
    emitting_ = frame.emitting;
    if (here == Truth::kMaybe && !frame.chosen) emit_opaque({OpaqueReason::kBranch, {}}, tag, false);
    emitting_ = frame.emitting && !frame.chosen && here != Truth::kNo;
    if (here != Truth::kNo) frame.chosen = true;
  }

  void next_branch(const JinjaTag& tag, Evaluator& evaluator, bool conditional) {
    if (skipped_ > 0) return;
    JinjaValue condition = JinjaValue::boolean(Truth::kYes);
    if (conditional) {
      condition = evaluator.expression();
      evaluator.expect_end();
    }
    if (frames_.empty() || (frames_.back().kind != FrameKind::kIf && frames_.back().kind != FrameKind::kFor))
      return state_.problem(tag.span, "there is no if that this belongs to");
    take_branch(frames_.back(), condition.run(), condition.parse(), tag.span);
  }

  void open_for(const JinjaTag& tag, Evaluator& evaluator) {
    std::vector<std::string> names;
    const bool parenthesis = evaluator.take("(");
    do {
      if (const auto name = evaluator.take_name(); !name.empty()) names.emplace_back(name);
    } while (evaluator.take(","));
    if (parenthesis) evaluator.take(")");
    JinjaValue value;
    Truth filtered = Truth::kYes;
    if (names.empty() || !evaluator.take("in")) {
      state_.problem(tag.span, "expected `for name in …`");
      evaluator.collect_rest();
    } else {
      value = evaluator.iterable();
      if (evaluator.take("if")) {
        evaluator.expression();
        filtered = Truth::kMaybe;
      }
      evaluator.take("recursive");
      evaluator.expect_end();
    }
    std::vector<JinjaValue> items;
    bool known = true;
    for (const JinjaValue& one : value) {
      const bool is_list = one.kind() == JinjaValue::Kind::kList;
      if (!is_list && one.kind() != JinjaValue::Kind::kDict) {
        known = false;
        continue;
      }
      for (std::size_t i = 0; i < one.items().size() && items.size() < JinjaValue::kMaxAlternatives; ++i) {
        if (!state_.spend(names.size() * 64)) break;
        items.push_back(is_list ? one.items()[i] : JinjaValue::text(one.keys()[i]));
      }
    }
    Frame* frame = open(FrameKind::kFor, "for", tag.span);
    if (frame == nullptr) return;
    frame->scoped = true;
    ++scopes_;
    frame->run_left = frame->parse_left = Truth::kYes;
    const bool nothing = known && items.empty();
    const bool once = known && items.size() == 1;
    const Truth parse = nothing ? Truth::kNo : known ? filtered : Truth::kMaybe;
    emitting_ = frame->emitting;
    if (!nothing && !once) emit_opaque({OpaqueReason::kLoop, names.empty() ? "" : names.front()}, tag.span, false);
    take_branch(*frame, nothing ? Truth::kNo : Truth::kYes, parse, tag.span);
    // Only an empty list has the else branch.
    frame->parse_left = nothing ? Truth::kYes : known ? Truth::kNo : Truth::kMaybe;

    for (std::size_t i = 0; i < names.size(); ++i) {
      std::vector<JinjaValue> values;
      for (const JinjaValue& item : items) {
        if (names.size() == 1)
          values.push_back(item);
        else if (item.kind() == JinjaValue::Kind::kList && i < item.items().size())
          values.push_back(item.items()[i]);
      }
      assign(names[i], JinjaValue::one_of(values));
    }
    const JinjaValue end = JinjaValue::boolean(Truth::kYes, once ? Truth::kYes : Truth::kMaybe);
    const auto counter = [&](const char* first) {
      const JinjaValue number = JinjaValue::number(first);
      return once ? number : JinjaValue::one_of({number, JinjaValue()});
    };
    std::vector<std::pair<std::string, JinjaValue>> loop;
    loop.emplace_back("first", end);
    loop.emplace_back("last", end);
    loop.emplace_back("index", counter("1"));
    loop.emplace_back("index0", counter("0"));
    if (known) loop.emplace_back("length", JinjaValue::number(std::to_string(items.size())));
    assign("loop", JinjaValue::dict(std::move(loop)));
  }

  void assign(const std::string& name, JinjaValue value) {
    auto before = state_.assign(name, std::move(value));
    if (scopes_ > 0) undo_.emplace_back(name, std::move(before));
  }

  /// Where it may or may not be run, the variable has either value; that of the branch which gives the SQL comes first.
  void assign_here(const std::string& name, JinjaValue value) {
    if (run_ == Truth::kNo) return;
    const JinjaValue* before = run_ == Truth::kMaybe ? state_.variable(name) : nullptr;
    if (before != nullptr && state_.spend(4096))
      value = emitting_ ? JinjaValue::one_of({value, *before}) : JinjaValue::one_of({*before, value});
    assign(name, std::move(value));
  }

  void set(const JinjaTag& tag, Evaluator& evaluator) {
    std::vector<std::string> names;
    bool plain = true;
    do {
      names.emplace_back(evaluator.take_name());
      while (evaluator.take(".")) {
        evaluator.take_name();
        plain = false;  // of a namespace
      }
    } while (evaluator.take(","));
    if (names.front().empty()) {
      state_.problem(tag.span, "expected the name of a variable after `set`");
      return evaluator.collect_rest();
    }
    if (!evaluator.take("=")) {
      Frame* frame = open(FrameKind::kSet, "set", tag.span);
      if (frame == nullptr) return;
      frame->name = plain && names.size() == 1 ? names.front() : "";
      captures_.emplace_back();
      emitting_ = run_ != Truth::kNo;
      return;
    }
    const JinjaValue value = evaluator.expressions();
    evaluator.expect_end();
    if (!plain) return;
    if (names.size() == 1) return assign_here(names.front(), value);
    for (std::size_t i = 0; i < names.size(); ++i) {
      const bool has = value.kind() == JinjaValue::Kind::kList && i < value.items().size();
      if (!names[i].empty()) assign_here(names[i], has ? value.items()[i] : JinjaValue());
    }
  }

  void open_call(const JinjaTag& tag, Evaluator& evaluator) {
    if (evaluator.is("(")) evaluator.skip_parentheses();
    evaluator.expression();
    evaluator.expect_end();
    emit_opaque(evaluator.cause(), tag.span, true);
    if (open(FrameKind::kCall, "call", tag.span) != nullptr) emitting_ = false;
  }

  void open_block(const JinjaTag& tag, Evaluator& evaluator, const BlockWord& word) {
    JinjaBlock block;
    block.kind = word.kind;
    block.name = evaluator.take_name();
    const std::size_t after = evaluator.at();
    block.span = block.body = {tag.span.begin, tag.span.end};
    block.body.begin = tag.span.end;
    Frame* frame = open(FrameKind::kBlock, word.word, tag.span);
    if (frame == nullptr) return;
    frame->scoped = true;
    ++scopes_;
    const bool is_snapshot = word.kind == JinjaBlock::Kind::kSnapshot;
    if (!is_snapshot) emitting_ = false;
    if (!is_snapshot) enter(Truth::kYes, Truth::kYes);
    // Parameters: names that are followed by a comma, a default or the end.
    int depth = 0;
    for (std::size_t i = after; i < tag.tokens.size(); ++i) {
      const std::string_view token = text_of(tag.tokens[i].span, text_);
      if (token == "(" || token == "[" || token == "{") ++depth;
      if (token == ")" || token == "]" || token == "}") --depth;
      const bool begins =
          i > after && (text_of(tag.tokens[i - 1].span, text_) == "(" || text_of(tag.tokens[i - 1].span, text_) == ",");
      if (depth == 1 && begins && tag.tokens[i].kind == JinjaToken::Kind::kName)
        assign(std::string(token), JinjaValue());
    }
    if (after < tag.tokens.size()) {
      std::uint32_t begin = tag.tokens[after].span.begin, end = tag.tokens.back().span.end;
      if (text_[begin] == '(' && text_[end - 1] == ')' && end - begin >= 2) ++begin, --end;
      block.parameters = text_.substr(begin, end - begin);
    }
    if (result_.blocks.size() < kMaxJinjaFacts) {
      state_.block = static_cast<std::int32_t>(result_.blocks.size());
      result_.blocks.push_back(std::move(block));
    } else {
      result_.truncated = true;
    }
  }

  void close(const JinjaTag& tag, FrameKind kind, std::string_view word) {
    if (skipped_ > 0) {
      --skipped_;
      return;
    }
    if (open_[static_cast<std::size_t>(kind)] == 0)
      return state_.problem(tag.span, "`" + std::string(word) + "` ends nothing that is open");
    while (frames_.back().kind != kind) {
      state_.problem(frames_.back().open,
                     "this " + std::string(frames_.back().word) + " has no end before `" + std::string(word) + "`");
      pop(tag.span.begin, tag.span.begin);
    }
    pop(tag.span.begin, tag.span.end);
  }

  void pop(std::uint32_t body_end, std::uint32_t end) {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    --open_[static_cast<std::size_t>(frame.kind)];
    if (frame.kind == FrameKind::kBlock && state_.block != frame.block) {
      JinjaBlock& block = result_.blocks[static_cast<std::size_t>(state_.block)];
      block.body.end = body_end;
      block.span.end = end;
    }
    emitting_ = frame.emitting;
    enter(frame.run, frame.parse);
    state_.block = frame.block;
    if (frame.scoped) {
      --scopes_;
      for (; undo_.size() > frame.undo; undo_.pop_back())
        state_.restore(undo_.back().first, std::move(undo_.back().second));
    }
    if (frame.kind == FrameKind::kSet) {
      std::string text = std::move(captures_.back());
      captures_.pop_back();
      if (!frame.name.empty()) assign_here(frame.name, emitting_ ? JinjaValue::text(std::move(text)) : JinjaValue());
    }
  }

  std::string_view text_;
  const JinjaOptions& options_;
  JinjaResult& result_;
  JinjaState state_;
  JinjaLexer lexer_;
  std::vector<JinjaElement> elements_;
  std::vector<Frame> frames_;
  std::array<std::size_t, static_cast<std::size_t>(FrameKind::kCount)> open_{};
  std::vector<std::string> captures_;
  std::vector<std::pair<std::string, std::optional<JinjaValue>>> undo_;
  std::size_t scopes_ = 0;
  std::size_t skipped_ = 0;
  bool emitting_ = true;
  Truth run_ = Truth::kYes, parse_ = Truth::kYes;
};

/// What the templates in hooks refer to is what the file refers to.
void add_hooks(const std::vector<std::pair<std::string, Span>>& hooks, const JinjaOptions& options,
               JinjaResult& result) {
  for (const auto& [text, call] : hooks) {
    JinjaResult of_hook;
    Walk(text, options, of_hook).run();
    const auto merge = [&, span = call](auto& from, auto& into) {
      for (auto& fact : from) {
        if (into.size() >= kMaxJinjaFacts) {
          result.truncated = true;
          return;
        }
        fact.file = span;
        fact.block = kNoBlock;
        into.push_back(std::move(fact));
      }
    };
    merge(of_hook.relations, result.relations);
    merge(of_hook.macros, result.macros);
    merge(of_hook.variables, result.variables);
  }
}

}  // namespace

std::string_view to_string(OpaqueReason reason) {
  switch (reason) {
    case OpaqueReason::kMacro:
      return "macro";
    case OpaqueReason::kVariable:
      return "variable";
    case OpaqueReason::kEnvironment:
      return "environment";
    case OpaqueReason::kRuntime:
      return "runtime";
    case OpaqueReason::kExpression:
      return "expression";
    case OpaqueReason::kLoop:
      return "loop";
    case OpaqueReason::kBranch:
      return "branch";
    case OpaqueReason::kTooMuch:
      return "too_much";
  }
  return "expression";
}

void JinjaMap::add(JinjaPiece piece) {
  if (piece.sql.empty()) return;
  if (!pieces_.empty()) {
    JinjaPiece& last = pieces_.back();
    if (last.verbatim && piece.verbatim && last.file.end == piece.file.begin) {
      last.sql.end = piece.sql.end;
      last.file.end = piece.file.end;
      return;
    }
  }
  pieces_.push_back(piece);
}

Span JinjaMap::to_file(Span sql) const {
  const auto piece_at = [&](std::uint32_t offset) {
    return std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                            [](std::uint32_t at, const JinjaPiece& piece) { return at < piece.sql.end; });
  };
  if (pieces_.empty()) return {};
  const auto first = piece_at(sql.begin);
  if (first == pieces_.end()) return {pieces_.back().file.end, pieces_.back().file.end};
  const std::uint32_t begin = first->verbatim ? first->file.begin + (sql.begin - first->sql.begin) : first->file.begin;
  if (sql.end <= sql.begin) return {begin, begin};
  auto last = piece_at(sql.end - 1);
  if (last == pieces_.end()) --last;
  const std::uint32_t end =
      last->verbatim ? last->file.begin + (std::min(sql.end, last->sql.end) - last->sql.begin) : last->file.end;
  return {begin, end};
}

Span JinjaMap::to_sql(Span file) const {
  const auto piece_at = [&](std::uint32_t offset) {
    return std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                            [](std::uint32_t at, const JinjaPiece& piece) { return at < piece.file.end; });
  };
  const std::uint32_t size = pieces_.empty() ? 0 : pieces_.back().sql.end;
  const auto first = piece_at(file.begin);
  if (first == pieces_.end()) return {size, size};
  std::uint32_t begin = first->sql.begin;
  if (first->verbatim && file.begin > first->file.begin) begin += file.begin - first->file.begin;
  if (file.end <= file.begin) return {begin, begin};
  auto last = piece_at(file.end - 1);
  if (last == pieces_.end()) return {begin, size};
  if (file.end <= last->file.begin) return {begin, std::max(begin, last->sql.begin)};
  const std::uint32_t end = last->verbatim ? last->sql.begin + (file.end - last->file.begin) : last->sql.end;
  return {begin, std::max(begin, end)};
}

const JinjaRelation* JinjaResult::relation(std::string_view text) const {
  const auto found = relation_index.find(text);
  return found == relation_index.end() ? nullptr : &relations[found->second];
}

JinjaResult read_jinja(std::string_view text, const JinjaOptions& options) {
  JinjaResult result;
  if (text.size() > kMaxJinjaBytes) {
    result.problems.push_back({{},
                               "a template has at most " + std::to_string(kMaxJinjaBytes) + " bytes; this one has " +
                                   std::to_string(text.size())});
    result.truncated = true;
    return result;
  }
  const auto hooks = Walk(text, options, result).run();
  for (std::size_t i = 0; i < result.relations.size(); ++i)
    result.relation_index.try_emplace(result.relations[i].sql, i);
  add_hooks(hooks, options, result);
  return result;
}

}  // namespace tideline::sql
